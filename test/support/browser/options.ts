import type { Readable } from 'node:stream';

/** One request of a navigation, and its response. */
export interface Hop {
  readonly method: string;
  readonly url: string;
  /** What was sent, with lower-case names. */
  readonly requestHeaders: Readonly<Record<string, string>>;
  /** The `Cookie` header that travelled; empty when none did. */
  readonly cookie: string;
  readonly status: number;
  readonly location: string | undefined;
  readonly setCookie: readonly string[];
}

/** Where a navigation ended. */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly history: readonly Hop[];
}

/** Request headers to set; null leaves one out. */
export type HeaderChanges = Readonly<Record<string, string | null>>;

/** How a navigation begins. */
export interface NavigateOptions {
  /**
   * The page that has the link or form. Without it, the address was typed: `Sec-Fetch-Site: none`.
   */
  readonly from?: string | undefined;
  readonly redirect?: 'follow' | 'manual';
  /** The fields of a form; makes it a `POST`. */
  readonly form?: Readonly<Record<string, string>> | undefined;
  /** `iframe`: inside the current page, whose site is then the site for cookies. */
  readonly dest?: 'document' | 'iframe';
  readonly method?: string;
  /** Win over what the browser would send; null leaves one out. */
  readonly headers?: HeaderChanges;
}

/** How a script's `fetch` begins. */
export interface FetchOptions {
  readonly method?: string;
  /** Win over what the browser would send; null leaves one out. */
  readonly headers?: HeaderChanges;
  /** A plain object is sent as JSON, `URLSearchParams` as a form, a stream chunked. */
  readonly body?: string | Buffer | URLSearchParams | Readable | object;
  readonly redirect?: 'follow' | 'manual';
  /** False: without the `X-CSRF: 1` header that the frontend always sends to its own origin. */
  readonly csrf?: boolean;
  /** The page whose script this is; the current page by default. */
  readonly from?: string;
  /** `include`: cookies go to other origins too, as far as `SameSite` lets them. */
  readonly credentials?: 'same-origin' | 'include' | 'omit';
  readonly signal?: AbortSignal;
}

/** Which browser it is. */
export interface BrowserOptions {
  /** The origin of the page it shows before the first navigation. */
  readonly origin: string;
  /** A certificate authority to trust, in PEM. */
  readonly ca?: string | undefined;
  /**
   * `count` (the default): a redirect through another site makes the rest of the chain cross-site,
   * as after a form submission there. `ignore`: only the initiator counts, as in Chromium after
   * redirects without a user's click.
   */
  readonly redirectChains?: 'count' | 'ignore';
  readonly now?: () => number;
}
