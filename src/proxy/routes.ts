import type { RouteOptions } from '../config/options.ts';
import { isBelow } from '../config/path-prefix.ts';
import { BffError } from '../errors.ts';
import { isPlainForm, looseForm } from '../config/loose-path.ts';
import { decodedPath } from './path.ts';

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
  /** By path, of all routes and of `reserved`. */
  readonly #looseForms: ReadonlyMap<string, string>;
  /** The same without their paths, longest first. */
  readonly #looseByLength: readonly string[];
  /** Segments of the deepest loose form. */
  readonly #depth: number;
  /**
   * Whether every configured path is its own loose form. Then a plain path needs no second match.
   */
  readonly #arePlain: boolean;

  constructor(
    routes: readonly Route[],
    private readonly reserved: string,
  ) {
    this.#byLength = routes
      .filter(({ path }) => !isBelow(path, reserved))
      .toSorted((a, b) => b.path.length - a.path.length);
    const paths = [reserved, ...this.#byLength.map(({ path }) => path)];
    const forms = paths.map((path) => looseForm(path));
    this.#looseForms = new Map(paths.map((path, index) => [path, forms[index] ?? path]));
    this.#looseByLength = forms.toSorted((a, b) => b.length - a.length);
    this.#depth = Math.max(...forms.map((form) => form.split('/').length - 1));
    this.#arePlain = paths.every((path, index) => path === forms[index]);
  }

  /**
   * The route with the longest prefix of a canonical path. Undefined for a path that is not
   * proxied. The path is compared by its meaning: `/%40me` is `/@me` to every upstream, so it must
   * be to the rules of `/@me`. Throws `bad_path` if a lenient server could take the path for one of
   * another route, or of our endpoints.
   */
  match(path: string): Route | undefined {
    const meaning = path.includes('%') ? decodeURIComponent(path) : path;
    const isReserved = isBelow(meaning, this.reserved);
    const route = isReserved
      ? undefined
      : this.#byLength.find((candidate) => isBelow(meaning, candidate.path));
    if (this.#arePlain && isPlainForm(path)) return route;
    this.#refuseOtherReadings(meaning, isReserved ? this.reserved : route?.path);
    return route;
  }

  /**
   * Some servers decode a path again and again, and each of their readings must belong to the same
   * owner.
   */
  #refuseOtherReadings(meaning: string, owner: string | undefined): void {
    const expected = owner === undefined ? undefined : this.#looseForms.get(owner);
    let reading: string | undefined = meaning;
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
