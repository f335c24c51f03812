import type { RouteOptions } from '../config/options.ts';
import { type BearerRoute, bearerRoute } from '../access/bearer/bearer-route.ts';
import { type CompiledRules, compileRules } from '../access/rules.ts';
import type { Demand } from '../oauth/login/acr.ts';
import { type TokenPolicy, routeTokenPolicy } from '../oauth/tokens/token-policy.ts';
import type { PublicPaths } from '../http/public-paths.ts';
import {
  type UpstreamResponseHeaderRules,
  UpstreamResponseHeaders,
} from './headers/response-headers.ts';
import { RequestHeaders } from './headers/request-headers.ts';
import type { ProxyOptions } from './proxy-options.ts';
import { Routes } from './routes.ts';
import { type SignInTarget, type StepUpReader, stepUpReader } from './authorize/step-up.ts';
import { openUpstream, type Upstream } from './upstream/upstream.ts';

/** A configured route, prepared for serving requests. */
export interface ProxyRoute {
  readonly path: string;
  readonly options: RouteOptions;
  readonly upstream: Upstream;
  readonly requestHeaders: RequestHeaders;
  readonly responseHeaders: UpstreamResponseHeaders;
  /** Whether requests are served without reading the session. */
  readonly isAnonymous: boolean;
  /** Whether requests need a session although they carry no token: a protected frontend. */
  readonly isProtected: boolean;
  /** Whether signed-out page navigations go to the sign-in. */
  readonly sendsToSignIn: boolean;
  /** The rules of a public path of a protected frontend. `undefined` for any other path. */
  readonly publicPart?: (path: string) => ProxyRoute | undefined;
  /** For callers with an access token of their own. `undefined` if the route accepts none. */
  readonly bearer: BearerRoute | undefined;
  /** Whether requests without a token are refused. */
  readonly requiresToken: boolean;
  /** The route's own token policy or sign-in requirements, if it has any. */
  readonly requirements: RouteRequirements | undefined;
  /** `routes[].require`. `undefined` if every signed-in user may call. */
  readonly rules: CompiledRules | undefined;
  readonly signInTarget: SignInTarget;
  /** `undefined` if the route carries no user token. */
  readonly stepUp: StepUpReaders | undefined;
}

/** Read step-up challenges of the upstream, for each kind of caller. */
export interface StepUpReaders {
  readonly signedIn: StepUpReader;
  /** For the token of a connected account. */
  readonly connected: StepUpReader;
  /** For a client with an access token of its own, which has no page to sign in on. */
  readonly bearer: StepUpReader;
}

/** Requirements of a route beyond a sign-in: its own token, a stronger sign-in, or both. */
export interface RouteRequirements {
  /** `undefined` if the route carries the token of the sign-in. */
  readonly policy: TokenPolicy | undefined;
  /** `undefined` if any sign-in is sufficient. */
  readonly demand: Demand | undefined;
}

/** All routes, including the route to the server of the frontend, and their connections. */
export class ProxyRoutes {
  readonly #all: readonly ProxyRoute[];
  readonly #byPath: Routes<ProxyRoute>;

  /** Throws `ConfigurationError` for certificates that cannot be used. */
  constructor(options: ProxyOptions) {
    const { routes, frontendRoute, reservedPaths } = options;
    const all = [...routes, ...(frontendRoute ? [frontendRoute] : [])];
    this.#all = all.map((route, index) => prepare(route, index, options));
    this.#byPath = new Routes(this.#all, reservedPaths);
  }

  /**
   * Returns the route of a canonical path, or `undefined` if the path is not proxied. Throws
   * `bad_path` for an ambiguous path.
   */
  match(path: string): ProxyRoute | undefined {
    return this.#byPath.match(path);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map(({ upstream }) => upstream.close()));
  }
}

/** Prepares everything that is the same for all requests of a route. */
function prepare(options: RouteOptions, index: number, all: ProxyOptions): ProxyRoute {
  const { publicUrl, csrf, ourCookies, defaultResponseHeaders, frontendRoute, publicPaths } = all;
  const { set, remove, pass } = options.headers;
  const isPersonal = options.token !== 'none';
  const isFrontend = options === frontendRoute;
  const defaults = isFrontend ? defaultResponseHeaders.page : defaultResponseHeaders.other;
  const responseRules = { defaults, ourCookies, isPersonal, isFrontend };
  const route: ProxyRoute = {
    path: options.path,
    options,
    upstream: openUpstream(options, index),
    rules: options.require && compileRules(options.require),
    ...signInRules(options, all),
    requestHeaders: new RequestHeaders({
      publicUrl,
      csrfHeader: csrf.header,
      ourCookies,
      set: Object.keys(set),
      remove,
      pass,
    }),
    responseHeaders: new UpstreamResponseHeaders(responseRules),
  };
  return isFrontend && publicPaths ? protectedFrontend(route, publicPaths, responseRules) : route;
}

/** The route to a frontend that only signed-in users may see, except for its public paths. */
function protectedFrontend(
  route: ProxyRoute,
  publicPaths: PublicPaths,
  responseRules: UpstreamResponseHeaderRules,
): ProxyRoute {
  return {
    ...route,
    isAnonymous: false,
    isProtected: true,
    sendsToSignIn: true,
    publicPart: (path) => (publicPaths.includes(decodeURIComponent(path)) ? route : undefined),
    responseHeaders: new UpstreamResponseHeaders({ ...responseRules, isProtected: true }),
  };
}

/** The sign-in requirements of a route, and where its users meet them. */
function signInRules(
  options: RouteOptions,
  { publicUrl, basePath, defaultProvider, offersChoice }: ProxyOptions,
) {
  const { token, session, signedOut, acr, maxAge, provider = defaultProvider } = options;
  const policy = routeTokenPolicy(options, defaultProvider);
  const demand = acr === undefined && maxAge === undefined ? undefined : { acr, maxAge };
  // A client token is sent for any signed-in user, whatever the provider.
  const where = token === 'client' ? defaultProvider : provider;
  const unnamed = offersChoice ? undefined : defaultProvider;
  const signInTarget = { basePath, provider: where, defaultProvider: unnamed };
  const stepUp = {
    signedIn: stepUpReader(signInTarget, false),
    connected: stepUpReader(signInTarget, true),
    bearer: stepUpReader(undefined, false),
  };
  const bearer = bearerRoute(options, publicUrl);
  return {
    isAnonymous: token === 'none' || session === 'none',
    isProtected: false,
    // The cookie of a sign-in would be ignored.
    sendsToSignIn: signedOut === 'login' && bearer?.admitsBrowsers !== false,
    bearer,
    requiresToken: token !== 'none' && token !== 'optional',
    requirements: policy || demand ? { policy, demand } : undefined,
    signInTarget,
    stepUp: token === 'user' || token === 'optional' ? stepUp : undefined,
  };
}
