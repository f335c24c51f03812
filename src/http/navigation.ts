import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request is a page navigation, not a fetch by a script or a page. `Sec-Fetch-Mode`
 * decides, or `Accept` if the browser does not send it.
 */
export function isNavigation(request: {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}): boolean {
  const { method, headers } = request;
  if (method !== 'GET' && method !== 'HEAD') return false;
  const mode = headers['sec-fetch-mode'];
  return mode === undefined ? /\btext\/html\b/.test(headers.accept ?? '') : mode === 'navigate';
}
