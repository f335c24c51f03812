import type { CsrfOptions, RouteOptions } from '../config/options.ts';

/** Injects `ProxyOptions`. */
export const PROXY_OPTIONS = Symbol('proxy options');

type AnswerHeaders = Readonly<Record<string, string>>;

/** The slice of the configuration this room works with. */
export interface ProxyOptions {
  /** Our own origin, as browsers see it. */
  readonly publicUrl: string;
  readonly basePath: string;
  readonly csrf: CsrfOptions;
  readonly trustedProxies: readonly string[];
  readonly ourCookies: readonly string[];
  readonly routes: readonly RouteOptions[];
  /**
   * Headers of every answer, names in lower case: of what the frontend's server says, and of what
   * APIs say.
   */
  readonly answerHeaders: { readonly page: AnswerHeaders; readonly other: AnswerHeaders };
  /** The frontend, if another server has it: a last route without a token. */
  readonly frontendRoute?: RouteOptions | undefined;
  /** The provider whose token a route carries that names none. */
  readonly defaultProvider: string | undefined;
  /** Who signs in without naming a provider chooses one. */
  readonly letsChoose: boolean;
  /** How many WebSockets a session may have open on this replica. 0: any number. */
  readonly maxWebSockets: number;
}
