import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import type { FetchOptions, HeaderChanges, NavigateOptions } from './options.ts';
import type { RequestChain } from './request-chain.ts';

type RequestHeaders = Record<string, string>;

const userAgent = 'Mozilla/5.0 (X11; Linux x86_64) LittleBrowser/1.0';

/** What a browser sends when a person goes somewhere. */
export function navigationHeaders(chain: RequestChain, options: NavigateOptions): RequestHeaders {
  return changed(
    {
      'user-agent': userAgent,
      accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
      ...(chain.body !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
      ...(chain.origin && { origin: chain.origin }),
      'sec-fetch-site': chain.fetchSite,
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': options.dest ?? 'document',
      'upgrade-insecure-requests': '1',
    },
    options.headers,
  );
}

/** What a browser sends when a script of the page calls `fetch`. */
export function scriptHeaders(
  chain: RequestChain,
  page: URL,
  options: FetchOptions,
): RequestHeaders {
  const isOwnOrigin = chain.url.origin === page.origin;
  const type = chain.isSafe ? undefined : contentType(options.body);
  return changed(
    {
      'user-agent': userAgent,
      accept: '*/*',
      ...(type && { 'content-type': type }),
      ...(chain.origin && { origin: chain.origin }),
      ...(isOwnOrigin && options.csrf !== false && { 'x-csrf': '1' }),
      'sec-fetch-site': chain.fetchSite,
      'sec-fetch-mode': 'cors',
      'sec-fetch-dest': 'empty',
    },
    options.headers,
  );
}

function changed(headers: RequestHeaders, changes: HeaderChanges = {}): RequestHeaders {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete headers[name.toLowerCase()];
    else headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** The bytes of a `fetch` body. */
export function encodeBody(body: FetchOptions['body']): string | Buffer | Readable | undefined {
  if (body === undefined || typeof body === 'string') return body;
  if (Buffer.isBuffer(body) || body instanceof Readable) return body;
  return body instanceof URLSearchParams ? body.toString() : JSON.stringify(body);
}

function contentType(body: FetchOptions['body']): string | undefined {
  if (body === undefined || Buffer.isBuffer(body) || body instanceof Readable) return undefined;
  if (typeof body === 'string') return 'text/plain;charset=UTF-8';
  if (body instanceof URLSearchParams) return 'application/x-www-form-urlencoded;charset=UTF-8';
  return 'application/json';
}

/** Whether a response is a redirect. */
export function isRedirect({ statusCode = 0, headers }: IncomingMessage): boolean {
  return [301, 302, 303, 307, 308].includes(statusCode) && headers.location !== undefined;
}

/** Wraps Node's response in the platform's `Response`; the body streams. */
export function asResponse(incoming: IncomingMessage, text?: string): Response {
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const status = incoming.statusCode ?? 0;
  const isBodyless = [204, 205, 304].includes(status);
  if (isBodyless) incoming.resume();
  const stream = () => Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
  return new Response(isBodyless ? null : (text ?? stream()), { status, headers });
}
