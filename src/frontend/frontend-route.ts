import type { RouteOptions } from '../config/options.ts';

/**
 * Returns the route for a frontend on another server. It matches all paths, needs no session and
 * carries no token.
 */
export function frontendRoute(url: string): RouteOptions {
  return {
    path: '/',
    upstream: [url],
    token: 'none',
    session: 'required',
    signedOut: 'problem',
    stripPrefix: false,
    timeout: 30_000,
    maxBody: 100 * 1024 * 1024,
    websocket: true,
    csrf: false,
    retry: 1,
    http2: false,
    headers: { set: {}, remove: [], pass: [] },
  };
}
