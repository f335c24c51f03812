import type { RouteOptions } from '../../../src/config/options.ts';

/** A route as the configuration gives it to the proxy, without Nest and without a session. */
export function route(options: Partial<RouteOptions> = {}): RouteOptions {
  return {
    path: '/api',
    upstream: ['http://upstream.test:3000'],
    token: 'user',
    session: 'required',
    signedOut: 'problem',
    stripPrefix: false,
    timeout: 1_000,
    maxBody: 1_000,
    websocket: true,
    csrf: true,
    clients: ['browser'],
    scopes: [],
    forwardToken: true,
    retry: 0,
    http2: false,
    headers: { set: {}, remove: [], pass: [] },
    ...options,
  };
}
