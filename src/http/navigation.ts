import type { IncomingHttpHeaders } from 'node:http';

/** The part of a request that shows whether it is a navigation. */
interface RequestHead {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Whether a request is a page navigation, and not a request of a script or for a resource of a
 * page. `Sec-Fetch-Mode` decides, or `Accept` if the browser does not send `Sec-Fetch-Mode`.
 */
export function isNavigation({ method, headers }: RequestHead): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const mode = headers['sec-fetch-mode'];
  return mode === undefined ? /\btext\/html\b/.test(headers.accept ?? '') : mode === 'navigate';
}

/**
 * Whether a request is a `GET` navigation of a whole window or tab, and not of a frame. `Accept`
 * decides if the browser sends neither `Sec-Fetch-Mode` nor `Sec-Fetch-Dest`.
 */
export function isDocumentNavigation({ method, headers }: RequestHead): boolean {
  if (method !== 'GET') return false;
  const { 'sec-fetch-mode': mode, 'sec-fetch-dest': destination } = headers;
  if (mode === undefined && destination === undefined)
    return /\btext\/html\b/i.test(headers.accept ?? '');
  return mode === 'navigate' && destination === 'document';
}

/** The headers that mark a prefetch. The first is the standard one, the others are older. */
const purposeHeaders = ['sec-purpose', 'purpose', 'x-purpose', 'x-moz'];

/** Whether a browser loads a page in advance, before the user navigates to it. */
export function isPrefetch(headers: IncomingHttpHeaders): boolean {
  return purposeHeaders.some((name) => /prefetch|prerender|preview/i.test(String(headers[name])));
}
