import type { CustomFetch, CustomFetchOptions } from 'openid-client';
import { Agent, type Dispatcher, request } from 'undici';
import type { DpopNonces } from '../client/dpop.ts';
import { isConnectFailure, Outage } from '../errors.ts';
import { type ProviderTlsOptions, readProviderTls } from './tls.ts';

/** Limits and settings of the requests to one provider. */
export interface ProviderFetchOptions extends ProviderTlsOptions {
  readonly issuer: string;
  /** An internal URL that replaces the issuer's origin for server requests. Optional. */
  readonly internalUrl?: string | undefined;
  /** The maximum size of a response, in bytes. */
  readonly maxResponse: number;
}

/** Rewrites the response of a provider endpoint. */
export type ResponseReader = (
  url: string,
  response: ProviderResponse,
) => ProviderResponse | Promise<ProviderResponse>;

/** Optional parts of a provider's fetch. */
export interface ProviderFetchParts {
  /** Stores the DPoP nonces of responses. Without it they are ignored. */
  readonly nonces?: DpopNonces;
  /** Rewrites responses. By default they stay unchanged. */
  readonly read?: ResponseReader;
}

/**
 * Creates a fetch for `openid-client` that does not trust the provider: it follows no redirects and
 * reads no response larger than `maxResponse`. Connection failures, `5xx`, `429` and responses that
 * are not JSON become `provider_unavailable`.
 */
export function createProviderFetch(
  options: ProviderFetchOptions,
  { nonces, read = (_url, response) => response }: ProviderFetchParts = {},
): CustomFetch {
  let agent: Agent | undefined;
  return async (url, init) => {
    agent ??= ownConnections(options);
    const response = await read(url, await send(url, init, options, agent));
    nonces?.update(new URL(url).origin, response.headers.get('dpop-nonce'));
    const unavailable = whyUnavailable(response, 'accept' in init.headers);
    if (unavailable) {
      throw new Outage(`${init.method} ${url} ${unavailable}`, { response }).toBffError();
    }
    const bodyless = response.status === 204 || response.status === 304;
    return new Response(bodyless ? null : response.body, response);
  };
}

/** A response with its complete body. */
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
      // A provider builds its own URLs from `Host`, so it must see its public name.
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
 * Creates a connection pool with the provider's own TLS settings. Returns `undefined` if it has
 * none and uses the shared pool.
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

/** Reads a body as UTF-8. Throws if it has more than `maxBytes`. */
export async function readAtMost(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop early destroys the stream and its connection.
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the response is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Why a response counts as an outage, or `undefined`. The library sends `Accept` with every request
 * except revocation, where only the status counts (RFC 7009 §2.2).
 */
function whyUnavailable(
  { status, headers, body }: ProviderResponse,
  expectsJson: boolean,
): string | undefined {
  if (status >= 500 || status === 429) return `responded with ${status}`;
  if (status >= 300 && status < 400)
    return `responded with ${status}, but redirects are not followed`;
  const isJwt = /^application\/([\w.-]+\+)?jwt\b/i.test(headers.get('content-type') ?? '');
  // A refusal may consist of the header alone (RFC 6750 §3).
  const isRefusal = status >= 400 && headers.has('www-authenticate');
  if (!expectsJson || isJwt || isRefusal || isJson(body)) return undefined;
  return `responded with ${status} without JSON`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function toHeaders(raw: Record<string, string | string[] | undefined>): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(raw)) {
    for (const value of [values ?? []].flat()) headers.append(name, value);
  }
  return headers;
}
