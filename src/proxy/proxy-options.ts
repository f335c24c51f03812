import type { CsrfOptions, RouteOptions } from '../config/options.ts';
import type { PublicPaths } from '../http/public-paths.ts';

/** Injects `ProxyOptions`. */
export const PROXY_OPTIONS = Symbol('proxy options');

type DefaultHeaders = Readonly<Record<string, string>>;

/** The part of the configuration that the proxy uses. */
export interface ProxyOptions {
  /** The public origin of the BFF, as browsers see it. */
  readonly publicUrl: string;
  readonly basePath: string;
  /** Paths that belong to no route, nor anything below them: `basePath` and those of metadata. */
  readonly reservedPaths: readonly string[];
  readonly csrf: CsrfOptions;
  readonly trustedProxies: readonly string[];
  readonly ourCookies: readonly string[];
  readonly routes: readonly RouteOptions[];
  /**
   * Default response headers, with names in lower case: `page` for responses from the frontend's
   * server, `other` for responses from APIs.
   */
  readonly defaultResponseHeaders: {
    readonly page: DefaultHeaders;
    readonly other: DefaultHeaders;
  };
  /**
   * The route to the server of the frontend, if there is one. It is matched last and carries no
   * token.
   */
  readonly frontendRoute?: RouteOptions | undefined;
  /** Whether the controllers of a host application precede the frontend. */
  readonly frontendIsLast: boolean;
  /**
   * The paths of `frontendRoute` that need no sign-in. `undefined` if none of its paths needs one.
   */
  readonly publicPaths?: PublicPaths | undefined;
  /** The provider whose token is sent on a route that names none. */
  readonly defaultProvider: string | undefined;
  /** Whether a user who signs in without naming a provider gets a choice. */
  readonly offersChoice: boolean;
  /** The maximum number of open WebSockets per session on this replica. 0 means no limit. */
  readonly maxWebSockets: number;
}
