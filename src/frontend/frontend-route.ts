import { route } from '../config/blocks/route.ts';
import type { RouteOptions } from '../config/options.ts';

/**
 * Returns the route for a frontend on another server. It matches all paths, needs no session and
 * carries no token. Everything else is a default of the route options.
 */
export function frontendRoute(url: string): RouteOptions {
  return route.parse({ path: '/', upstream: [url], token: 'none', csrf: false });
}
