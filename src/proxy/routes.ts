import type { RouteOptions } from '../config/options.ts';
import { isBelow } from '../config/path-prefix.ts';

/** One configured route, ready to be matched. */
export interface Route {
  readonly options: RouteOptions;
  /** Origin of the upstream. */
  readonly origin: string;
  /** The upstream's `Host`. */
  readonly host: string;
  /** Path of the upstream's address, without a trailing slash. */
  readonly basePath: string;
}

/** The routes, longest path first. `reserved` is never proxied: our own endpoints live there. */
export class Routes {
  readonly #byLength: readonly Route[];

  constructor(
    routes: readonly RouteOptions[],
    private readonly reserved: string,
  ) {
    this.#byLength = routes.map(toRoute).toSorted((a, b) => pathLength(b) - pathLength(a));
  }

  /**
   * The route with the longest prefix of a canonical path. Absent: the path is not proxied. Compared is what the path
   * means: `/%40me` is `/@me` to any upstream, so it must be to the rules of `/@me`.
   */
  match(path: string): Route | undefined {
    const meaning = decodeURIComponent(path);
    if (isBelow(meaning, this.reserved)) return undefined;
    return this.#byLength.find((route) => isBelow(meaning, route.options.path));
  }
}

/** The path the upstream is asked for. */
export function upstreamPath(route: Route, path: string): string {
  const { path: prefix, stripPrefix } = route.options;
  const rest = stripPrefix && prefix !== '/' ? withoutSegments(path, prefix) : path;
  return route.basePath + rest;
}

/** Counted in segments: percent-encoded, a prefix has more characters than the route's path. */
function withoutSegments(path: string, prefix: string): string {
  return `/${path.split('/').slice(prefix.split('/').length).join('/')}`;
}

function toRoute(options: RouteOptions): Route {
  const [address] = options.upstream;
  if (address === undefined) throw new Error(`route ${options.path} has no upstream`);
  const { origin, host, pathname } = new URL(address);
  return { options, origin, host, basePath: pathname.replace(/\/$/, '') };
}

function pathLength(route: Route): number {
  return route.options.path.length;
}
