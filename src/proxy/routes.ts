import type { RouteOptions } from '../config/options.ts';
import { isBelow } from '../http/path-prefix.ts';
import { BffError } from '../errors.ts';
import { isPlainForm, looseForm } from '../http/loose-path.ts';
import { decodedPath } from './path.ts';

declare module 'http' {
  interface IncomingMessage {
    /** The configured path of the matched route. `undefined` if no route matches. */
    matchedRoute?: string;
  }
}

/** The options of a route that matching uses. */
type Matchable = Pick<RouteOptions, 'path'>;

/**
 * Matches paths to routes; the longest matching path wins. Paths below one of `reserved` are never
 * proxied, because the BFF's own endpoints are there.
 */
export class Routes<Route extends Matchable> {
  readonly #byLength: readonly Route[];
  /** Maps loose forms to the paths of the routes and of `reserved`. */
  readonly #looseForms: ReadonlyMap<string, string>;
  /** The loose forms, longest first. */
  readonly #looseByLength: readonly string[];
  /** The number of segments of the deepest loose form. */
  readonly #depth: number;
  /** Whether every configured path equals its loose form. Plain paths then need only one match. */
  readonly #arePlain: boolean;

  constructor(
    routes: readonly Route[],
    private readonly reserved: readonly string[],
  ) {
    this.#byLength = routes
      .filter(({ path }) => !reserved.some((own) => isBelow(path, own)))
      .toSorted((a, b) => b.path.length - a.path.length);
    const paths = [...reserved, ...this.#byLength.map(({ path }) => path)];
    const forms = paths.map((path) => looseForm(path));
    this.#looseForms = new Map(paths.map((path, index) => [path, forms[index] ?? path]));
    this.#looseByLength = forms.toSorted((a, b) => b.length - a.length);
    this.#depth = Math.max(...forms.map((form) => form.split('/').length - 1));
    this.#arePlain = paths.every((path, index) => path === forms[index]);
  }

  /**
   * The route with the longest prefix of a canonical path, or `undefined` if the path is not
   * proxied. Paths are compared decoded: `/%40me` is `/@me` to every upstream, so the rules of
   * `/@me` apply to it. Throws `bad_path` if a lenient server could read the path as one of another
   * route or of our endpoints.
   */
  match(path: string): Route | undefined {
    const decoded = path.includes('%') ? decodeURIComponent(path) : path;
    const reserved = this.reserved.find((own) => isBelow(decoded, own));
    const route =
      reserved === undefined
        ? this.#byLength.find((candidate) => isBelow(decoded, candidate.path))
        : undefined;
    if (this.#arePlain && isPlainForm(path)) return route;
    this.#refuseOtherReadings(decoded, reserved ?? route?.path);
    return route;
  }

  /** Some servers decode a path repeatedly. Every reading must belong to the same route. */
  #refuseOtherReadings(decoded: string, owner: string | undefined): void {
    const expected = owner === undefined ? undefined : this.#looseForms.get(owner);
    let reading: string | undefined = decoded;
    while (reading !== undefined) {
      const loose = looseForm(reading, this.#depth);
      if (this.#looseByLength.find((form) => isBelow(loose, form)) !== expected) {
        const cause = new Error('a lenient server could take it for a path of another route');
        throw new BffError('bad_path', { cause });
      }
      reading = reading.includes('%') ? decodedPath(reading) : undefined;
    }
  }
}

/**
 * Returns the path to send to the upstream: `basePath`, then the path with the prefix of the route
 * kept, removed or replaced.
 */
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

/** The options of a route that determine the upstream path. */
export type PathRules = Pick<RouteOptions, 'path' | 'stripPrefix' | 'rewrite'>;

/**
 * Returns the path after the prefix. Counts segments, because a percent-encoded path has more
 * characters than the configured path.
 */
function below(path: string, prefix: string): string {
  const depth = prefix === '/' ? 1 : prefix.split('/').length;
  return path
    .split('/')
    .slice(depth)
    .map((segment) => `/${segment}`)
    .join('');
}
