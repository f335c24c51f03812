import type { IncomingHttpHeaders } from 'node:http';
import type { CsrfOptions } from '../../config/options.ts';
import { BffError } from '../../errors.ts';

/**
 * Refuses a request that does not prove that it comes from our own pages (RFC 10017 §6.1.3.3).
 * Three proofs are required together: the CSRF header, which a foreign page cannot send without a
 * preflight, and, if the browser sends them, `Sec-Fetch-Site` and `Origin`. Throws `csrf`.
 */
export function refuseForgery(
  headers: IncomingHttpHeaders,
  options: CsrfOptions,
  publicUrl: string,
): void {
  if (headers[options.header.toLowerCase()] !== options.value) {
    throw forged(`${options.header} is missing or has another value`);
  }
  refuseForeignPage(headers, publicUrl);
}

/**
 * Checks `Sec-Fetch-Site` and `Origin` only, for requests on which a page cannot set a header, such
 * as those of an `EventSource`. Throws `csrf`.
 */
export function refuseForeignPage(
  { origin, 'sec-fetch-site': site }: IncomingHttpHeaders,
  publicUrl: string,
): void {
  // `same-site` is not enough: an attacker may own a sibling subdomain (RFC 10017 §6.1.3.3.1).
  if (site !== undefined && site !== 'same-origin') throw forged(`Sec-Fetch-Site is ${site}`);
  if (origin !== undefined && origin !== publicUrl) throw forged(`Origin is ${origin}`);
}

/**
 * Refuses a page navigation from another site, on which no page can set a header. Unlike a call, it
 * may come from a sibling subdomain or from outside any page. Throws `csrf`.
 */
export function refuseForeignNavigation(
  { origin, 'sec-fetch-site': site }: IncomingHttpHeaders,
  publicUrl: string,
): void {
  if (site === 'cross-site') throw forged(`Sec-Fetch-Site is ${site}`);
  if (origin !== undefined && origin !== publicUrl) throw forged(`Origin is ${origin}`);
}

/**
 * Requires our own `Origin` on the opening handshake of a WebSocket. A page cannot set headers
 * there, but browsers always send `Origin` (RFC 6455 §10.2). Throws `csrf`.
 */
export function refuseForeignOrigin({ origin }: IncomingHttpHeaders, publicUrl: string): void {
  if (origin !== publicUrl) throw forged(`Origin is ${origin ?? 'missing'}`);
}

/**
 * Requires that the opening handshake of a WebSocket comes from our own page, for transports that
 * may open it with requests of the same origin, on which browsers send no `Origin` but
 * `Sec-Fetch-Site`. Throws `csrf`.
 */
export function refuseForeignHandshake(headers: IncomingHttpHeaders, publicUrl: string): void {
  const isOurs = headers.origin === undefined && headers['sec-fetch-site'] === 'same-origin';
  if (!isOurs) refuseForeignOrigin(headers, publicUrl);
}

function forged(what: string): BffError {
  return new BffError('csrf', { cause: new Error(what) });
}
