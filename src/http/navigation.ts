import type { IncomingHttpHeaders } from 'node:http';

/** The parts of a request that tell what the browser asks for. */
interface Asking {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Whether a request is a page navigation, not a fetch by a script or a page. `Sec-Fetch-Mode`
 * decides, or `Accept` if the browser does not send it.
 */
export function isNavigation({ method, headers }: Asking): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const mode = headers['sec-fetch-mode'];
  return mode === undefined ? /\btext\/html\b/.test(headers.accept ?? '') : mode === 'navigate';
}

/**
 * Whether a request is the navigation of a whole window or tab with `GET`: not a frame, not a fetch
 * by a script. `Accept` decides if the browser sends neither `Sec-Fetch-Mode` nor `Sec-Fetch-Dest`.
 */
export function isDocumentNavigation({ method, headers }: Asking): boolean {
  if (method !== 'GET') return false;
  const { 'sec-fetch-mode': mode, 'sec-fetch-dest': destination } = headers;
  if (mode === undefined && destination === undefined)
    return /\btext\/html\b/i.test(headers.accept ?? '');
  return mode === 'navigate' && destination === 'document';
}

/** The headers that mark a prefetch: the standard one, then those of older browsers. */
const purposeHeaders = ['sec-purpose', 'purpose', 'x-purpose', 'x-moz'];

/** Whether a browser loads a page in advance, before its user has asked for it. */
export function isPrefetch(headers: IncomingHttpHeaders): boolean {
  return purposeHeaders.some((name) => /prefetch|prerender|preview/i.test(String(headers[name])));
}
