import type { RouteOptions } from '../config/options.ts';
import { isBelow } from '../config/path-prefix.ts';

declare module 'http' {
  interface IncomingMessage {
    /** The configured path of the route that takes the request. Absent: none does. */
    takenBy?: string;
  }
}

/** What matching needs of a route. */
type Matchable = Pick<RouteOptions, 'path'>;

/** The routes, longest path first. `reserved` is never proxied: our own endpoints live there. */
export class Routes<Route extends Matchable> {
  readonly #byLength: readonly Route[];

  constructor(
    routes: readonly Route[],
    private readonly reserved: string,
  ) {
    this.#byLength = routes.toSorted((a, b) => pathLength(b) - pathLength(a));
  }

  /**
   * The route with the longest prefix of a canonical path. Absent: the path is not proxied. Compared is what the path
   * means: `/%40me` is `/@me` to any upstream, so it must be to the rules of `/@me`.
   */
  match(path: string): Route | undefined {
    const meaning = path.includes('%') ? decodeURIComponent(path) : path;
    if (isBelow(meaning, this.reserved)) return undefined;
    return this.#byLength.find((route) => isBelow(meaning, route.path));
  }
}

/** The path the upstream is asked for: `basePath` is its own, what follows the route's decides the rest. */
export function upstreamPath(
  { path: prefix, stripPrefix, rewrite }: PathRules,
  basePath: string,
  path: string,
): string {
  const replacement = rewrite ?? (stripPrefix ? '/' : prefix);
  if (replacement === prefix) return basePath + path;
  const front = replacement === '/' ? '' : replacement;
  return basePath + (front + below(path, prefix) || '/');
}

/** What decides over the path the upstream sees. */
export type PathRules = Pick<RouteOptions, 'path' | 'stripPrefix' | 'rewrite'>;

/** What follows the prefix. Counted in segments: percent-encoded, it has more characters than the route's path. */
function below(path: string, prefix: string): string {
  const depth = prefix === '/' ? 1 : prefix.split('/').length;
  return path
    .split('/')
    .slice(depth)
    .map((segment) => `/${segment}`)
    .join('');
}

function pathLength({ path }: Matchable): number {
  return path.length;
}
