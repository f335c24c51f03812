import type { IncomingMessage } from 'node:http';
import { siteOf, type RequestContext } from './cookie-jar.ts';

/** How a browser came to make a request. */
export interface Start {
  readonly url: URL;
  readonly method: string;
  readonly body?: string | undefined;
  /** The page that caused it; undefined when the address was typed. */
  readonly initiator?: URL | undefined;
  /** The page around it, for an iframe or a script's request; undefined for the page itself. */
  readonly around?: URL | undefined;
}

/**
 * One request of a browser and all its redirects: the current address, and what the visited
 * addresses mean for cookies (`SameSite`, RFC 6265bis §5.2) and for `Sec-Fetch-Site` (Fetch
 * Metadata §2.3).
 */
export class RequestChain {
  url: URL;
  method: string;
  body: string | undefined;
  readonly #initiator: URL | undefined;
  /** The page around it, as given. */
  readonly around: URL | undefined;
  readonly #countRedirects: boolean;
  readonly #visited: URL[];

  constructor({ url, method, body, initiator, around }: Start, countRedirects: boolean) {
    this.url = url;
    this.method = method;
    this.body = body;
    this.#initiator = initiator;
    this.around = around;
    this.#countRedirects = countRedirects;
    this.#visited = [url];
  }

  get isSafe(): boolean {
    return this.method === 'GET' || this.method === 'HEAD';
  }

  /** What the cookie jar needs to know about the next request. */
  get cookieContext(): RequestContext {
    const topLevel = this.around ? 'no' : this.isSafe ? 'safe' : 'unsafe';
    const seen = [this.#initiator, this.around, ...(this.#countRedirects ? this.#visited : [])];
    return { sameSite: seen.every((url) => !url || isSameSite(url, this.url)), topLevel };
  }

  /** The value of `Sec-Fetch-Site` for the next request. */
  get fetchSite(): 'none' | 'same-origin' | 'same-site' | 'cross-site' {
    const hasCrossed = !this.#visited.every((url) => isSameSite(url, this.url));
    if (!this.#initiator) return hasCrossed && this.#countRedirects ? 'cross-site' : 'none';
    const seen = [this.#initiator, ...this.#visited];
    if (seen.every((url) => url.origin === this.url.origin)) return 'same-origin';
    return seen.every((url) => isSameSite(url, this.url)) ? 'same-site' : 'cross-site';
  }

  /** The value of `Origin`; undefined where a browser sends none. */
  get origin(): string | undefined {
    const initiator = this.#initiator;
    const isCrossOriginScript = this.around && initiator?.origin !== this.url.origin;
    if (!initiator || (this.isSafe && !isCrossOriginScript)) return undefined;
    const stayed = this.#visited.every((url, index) => {
      const before = this.#visited[index - 1];
      return !before || before.origin === url.origin || before.origin === initiator.origin;
    });
    return stayed ? initiator.origin : 'null';
  }

  /**
   * Goes where a redirect points (Fetch §4.4: 303 always, 301 and 302 for a `POST`, become a
   * `GET`).
   */
  redirect({ statusCode = 0, headers }: IncomingMessage): this {
    const becomesGet =
      statusCode === 303 ? !this.isSafe : statusCode < 303 && this.method === 'POST';
    if (becomesGet) {
      this.method = 'GET';
      this.body = undefined;
    }
    this.url = new URL(headers.location ?? '', this.url);
    this.#visited.push(this.url);
    return this;
  }
}

function isSameSite(one: URL, other: URL): boolean {
  return siteOf(one) === siteOf(other);
}
