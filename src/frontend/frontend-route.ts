import type { RouteOptions } from '../config/options.ts';

/**
 * A frontend that another server has, as the proxy's last route: everything, without a session and
 * without a token.
 */
export function frontendRoute(url: string): RouteOptions {
  return {
    path: '/',
    upstream: [url],
    token: 'none',
    session: 'required',
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
