import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'undici';
import { withDeadline } from '../../http/deadline.ts';
import { readAtMost } from '../../oauth/provider/fetch.ts';
import {
  type AddressRules,
  checkedAddresses,
  lookupOf,
  type ResolveHost,
} from './checked-lookup.ts';

/** Limits of a fetch, and the parts that tests replace. */
export interface FetchRules extends AddressRules {
  /** The time limit of the whole fetch, in milliseconds, with its name lookup. */
  readonly timeout: number;
  /** Resolves host names. By default DNS does. */
  readonly resolveHost?: ResolveHost | undefined;
}

/** The body of a document, and for how many seconds its server lets it be cached. */
export interface FetchedDocument {
  readonly text: string;
  /** `undefined` if the server does not tell. */
  readonly maxAge: number | undefined;
}

/** The maximum size of a document, in bytes. */
const maxSize = 5 * 1024;

/** The maximum size of the headers of a response, in bytes. */
const maxHeaderSize = 8 * 1024;

/**
 * Fetches a client ID metadata document. The address is checked before a connection is opened, and
 * redirects are not followed. Throws for every response that is not JSON with status 200 and at
 * most 5 KB.
 */
export async function fetchDocument(url: URL, rules: FetchRules): Promise<FetchedDocument> {
  const controller = new AbortController();
  return withDeadline(fetchUntil(controller.signal, url, rules), rules.timeout, () => {
    controller.abort();
    throw new Error(`did not respond within ${rules.timeout} ms`);
  });
}

async function fetchUntil(
  signal: AbortSignal,
  url: URL,
  rules: FetchRules,
): Promise<FetchedDocument> {
  const addresses = await checkedAddresses(url.hostname, signal, rules, rules.resolveHost);
  signal.throwIfAborted();
  // One connection for one document: a pool would keep what an anonymous client made it open.
  const agent = new Agent({
    connect: { lookup: lookupOf(addresses), timeout: rules.timeout },
    allowH2: false,
    maxHeaderSize,
  });
  try {
    const headers = { accept: 'application/json', 'user-agent': 'pixie-bff' };
    const response = await request(url, { dispatcher: agent, signal, headers });
    const problem = problemOf(response.statusCode, response.headers);
    if (problem !== undefined) throw new Error(problem);
    const text = await readAtMost(response.body, maxSize);
    return { text, maxAge: maxAgeOf(response.headers) };
  } finally {
    await agent.destroy();
  }
}

function problemOf(status: number, headers: IncomingHttpHeaders): string | undefined {
  if (status >= 300 && status < 400) return `responded with ${status}; redirects are not followed`;
  if (status !== 200) return `responded with ${status}`;
  const type = headers['content-type'] ?? '';
  return /^application\/(?:[\w.-]+\+)?json(?:\s*;|\s*$)/i.test(type)
    ? undefined
    : `responded with the type ${JSON.stringify(type.slice(0, 100))}, not with JSON`;
}

/** Reads how long a response may be cached (RFC 9111 §5.2.2). */
function maxAgeOf({ 'cache-control': control = '' }: IncomingHttpHeaders): number | undefined {
  if (/\bno-(?:store|cache)\b/i.test(control)) return 0;
  const seconds = /\bmax-age\s*=\s*"?(\d{1,9})/i.exec(control)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}
