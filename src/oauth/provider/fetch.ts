import type { CustomFetch, CustomFetchOptions } from 'openid-client';
import { Agent, type Dispatcher, request } from 'undici';
import type { DpopNonces } from '../client/dpop.ts';
import { isConnectFailure, Outage } from '../errors.ts';
import { type ProviderTlsOptions, readProviderTls } from './tls.ts';

/** What bounds and directs the calls to one provider. */
export interface ProviderFetchOptions extends ProviderTlsOptions {
  readonly issuer: string;
  /** Where the issuer's own origin is reached from here. Absent: at the issuer's origin itself. */
  readonly internalUrl?: string | undefined;
  /** Largest answer that is read, in bytes. */
  readonly maxResponse: number;
}

/** Reads the answer of an address differently than it was written. */
export type ResponseReader = (
  url: string,
  answer: ProviderResponse,
) => ProviderResponse | Promise<ProviderResponse>;

/** What hears the answers. */
export interface ProviderFetchParts {
  /** Remembers what proofs need. Absent: nobody proves anything. */
  readonly nonces?: DpopNonces;
  /** Absent: answers are what they are. */
  readonly read?: ResponseReader;
}

/**
 * A fetch for `openid-client` that trusts a provider with nothing: no redirect is followed, no
 * answer larger than `maxResponse` is read, and whatever says "not now" (unreachable, `5xx`, `429`,
 * not JSON) becomes `provider_unavailable`.
 */
export function createProviderFetch(
  options: ProviderFetchOptions,
  { nonces, read = (_url, answer) => answer }: ProviderFetchParts = {},
): CustomFetch {
  let agent: Agent | undefined;
  return async (url, init) => {
    agent ??= ownConnections(options);
    const answer = await read(url, await send(url, init, options, agent));
    nonces?.learn(new URL(url).origin, answer.headers.get('dpop-nonce'));
    const unavailable = whyUnavailable(answer, 'accept' in init.headers);
    if (unavailable) {
      throw new Outage(`${init.method} ${url} ${unavailable}`, { answer }).toBffError();
    }
    const bodyless = answer.status === 204 || answer.status === 304;
    return new Response(bodyless ? null : answer.body, answer);
  };
}

/** What came back, read whole. */
export interface ProviderResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

async function send(
  url: string,
  init: CustomFetchOptions,
  options: ProviderFetchOptions,
  agent: Agent | undefined,
): Promise<ProviderResponse> {
  try {
    const response = await request(routeInternally(url, options), {
      method: init.method as Dispatcher.HttpMethod,
      // The provider must see its public name, wherever we reach it: it builds its own URLs from
      // it.
      headers: { ...init.headers, host: new URL(url).host },
      body: init.body instanceof URLSearchParams ? init.body.toString() : (init.body as string),
      signal: init.signal ?? null,
      ...(agent && { dispatcher: agent }),
    });
    const body = await readAtMost(response.body, options.maxResponse);
    return { status: response.statusCode, headers: toHeaders(response.headers), body };
  } catch (error) {
    const facts = { cause: error, isUnreachable: isConnectFailure(error) };
    throw new Outage(`${init.method} ${url} failed`, facts).toBffError();
  }
}

/**
 * Connections with the provider's own authorities and certificate. Absent: it has none, and shares
 * those of all.
 */
function ownConnections(options: ProviderFetchOptions): Agent | undefined {
  const tls = readProviderTls(options);
  return tls && new Agent({ connect: { ...tls } });
}

function routeInternally(url: string, { issuer, internalUrl }: ProviderFetchOptions): string {
  const { origin } = new URL(issuer);
  return internalUrl && new URL(url).origin === origin
    ? new URL(internalUrl).origin + url.slice(origin.length)
    : url;
}

async function readAtMost(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop early destroys the stream, and with it the connection.
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * The library names what it accepts in every call but revocation, whose answer means nothing but
 * its status (RFC 7009 §2.2).
 */
function whyUnavailable(
  { status, headers, body }: ProviderResponse,
  asksForJson: boolean,
): string | undefined {
  if (status >= 500 || status === 429) return `answered ${status}`;
  if (status >= 300 && status < 400) return `answered ${status} instead of an answer`;
  const isJwt = /^application\/([\w.-]+\+)?jwt\b/i.test(headers.get('content-type') ?? '');
  // A refusal may be in the header alone (RFC 6750 §3).
  const isRefusal = status >= 400 && headers.has('www-authenticate');
  if (!asksForJson || isJwt || isRefusal || isJson(body)) return undefined;
  return `answered ${status} without JSON`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // the question was exactly this
  }
}

function toHeaders(raw: Record<string, string | string[] | undefined>): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(raw)) {
    for (const value of [values ?? []].flat()) headers.append(name, value);
  }
  return headers;
}
