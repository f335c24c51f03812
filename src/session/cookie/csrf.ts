import type { IncomingHttpHeaders } from 'node:http';
import type { CsrfOptions } from '../../config/options.ts';
import { BffError } from '../../errors.ts';

/**
 * Refuses a request that does not prove that it comes from our own pages (RFC 10017 §6.1.3.3).
 * Three proofs, each enough against most attackers and required together: the header no foreign
 * page can send without a preflight, and, where the browser sends them, `Sec-Fetch-Site` and
 * `Origin`. Throws `csrf`.
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
 * The second and third proof alone, for what a page cannot send a header with, an `EventSource` for
 * example. Throws `csrf`.
 */
export function refuseForeignPage(
  { origin, 'sec-fetch-site': site }: IncomingHttpHeaders,
  publicUrl: string,
): void {
  // `same-site` is not enough: a sibling subdomain may be somebody else's (RFC 10017 §6.1.3.3.1).
  if (site !== undefined && site !== 'same-origin') throw forged(`Sec-Fetch-Site is ${site}`);
  if (origin !== undefined && origin !== publicUrl) throw forged(`Origin is ${origin}`);
}

/**
 * The same for the opening handshake of a WebSocket, where a page can send no header of its own but
 * its browser always sends its `Origin` (RFC 6455 §10.2). Throws `csrf`.
 */
export function refuseForeignOrigin({ origin }: IncomingHttpHeaders, publicUrl: string): void {
  if (origin !== publicUrl) throw forged(`Origin is ${origin ?? 'missing'}`);
}

function forged(what: string): BffError {
  return new BffError('csrf', { cause: new Error(what) });
}
