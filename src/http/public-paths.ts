import { isBelow } from './path-prefix.ts';

/** The parts of a protected frontend that signed-out users may see. */
export class PublicPaths {
  readonly #prefixes: readonly string[];
  readonly #errorPage: string | undefined;

  /** Everything at and below `prefixes` is public, and exactly the page of `errorUrl`. */
  constructor(prefixes: readonly string[], errorUrl: string | undefined) {
    this.#prefixes = prefixes;
    this.#errorPage = errorUrl === undefined ? undefined : pathOf(errorUrl);
  }

  /** Whether a decoded path is public. Compares octet by octet: `/Assets` is not `/assets`. */
  includes(path: string): boolean {
    return this.isErrorPage(path) || this.#prefixes.some((prefix) => isBelow(path, prefix));
  }

  /** Whether a decoded path is that of `errorUrl`. */
  isErrorPage(path: string): boolean {
    return path === this.#errorPage;
  }
}

/** The decoded path of a local address, without its query and fragment. */
export function pathOf(address: string): string {
  return decodeURIComponent(/^[^?#]*/.exec(address)?.[0] ?? '');
}
