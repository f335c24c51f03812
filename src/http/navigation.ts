import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request is a person going to a page, and not a script or a page fetching something:
 * `Sec-Fetch-Mode` says so, and where a browser sends none, `Accept`.
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
