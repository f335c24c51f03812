import type { RouteOptions } from '../config/options.ts';
import type { Demand } from '../oauth/login/acr.ts';
import { type TokenPolicy, tokenPolicyOf } from '../oauth/tokens/token-policy.ts';
import { UpstreamResponseHeaders } from './headers/response-headers.ts';
import { RequestHeaders } from './headers/request-headers.ts';
import type { ProxyOptions } from './proxy-options.ts';
import { Routes } from './routes.ts';
import { type SignInPlace, type StepUpResponse, stepUpResponse } from './authorize/step-up.ts';
import { openUpstream, type Upstream } from './upstream/upstream.ts';

/** One configured route with all it needs to be served. */
export interface ProxyRoute {
  readonly path: string;
  readonly options: RouteOptions;
  readonly upstream: Upstream;
  readonly requestHeaders: RequestHeaders;
  readonly answerHeaders: UpstreamResponseHeaders;
  /** Nobody looks who asks. */
  readonly isAnonymous: boolean;
  /** What the route wants beside the token of a sign-in. Absent: nothing. */
  readonly wants: RouteWants | undefined;
  readonly signInPlace: SignInPlace;
  /**
   * Reads the challenges of the upstream, for who is signed in, and for who has connected an
   * account. Absent: no user's token is sent.
   */
  readonly stepUp:
    { readonly signedIn: StepUpResponse; readonly connected: StepUpResponse } | undefined;
}

/** A token of its own, another sign-in, or both. */
export interface RouteWants {
  /** Absent: the token is that of the sign-in. */
  readonly policy: TokenPolicy | undefined;
  /** Absent: any sign-in will do. */
  readonly demand: Demand | undefined;
}

/** All routes, that of the frontend's server included, and the connections of each. */
export class ProxyRoutes {
  readonly #all: readonly ProxyRoute[];
  readonly #byPath: Routes<ProxyRoute>;

  /** Throws `ConfigurationError` for certificates that cannot be used. */
  constructor(options: ProxyOptions) {
    const { routes, frontendRoute, basePath } = options;
    const all = [...routes, ...(frontendRoute ? [frontendRoute] : [])];
    this.#all = all.map((route, index) => prepare(route, index, options));
    this.#byPath = new Routes(this.#all, basePath);
  }

  /** The route of a canonical path. Absent: the path is not proxied. */
  match(path: string): ProxyRoute | undefined {
    return this.#byPath.match(path);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map(({ upstream }) => upstream.close()));
  }
}

/** What does not change from one request to the next. */
function prepare(options: RouteOptions, index: number, all: ProxyOptions): ProxyRoute {
  const { publicUrl, csrf, ourCookies, answerHeaders, frontendRoute } = all;
  const { set, remove, pass } = options.headers;
  const isPersonal = options.token !== 'none';
  const isFrontend = options === frontendRoute;
  const ours = isFrontend ? answerHeaders.page : answerHeaders.other;
  return {
    path: options.path,
    options,
    upstream: openUpstream(options, index),
    ...signInRules(options, all),
    requestHeaders: new RequestHeaders({
      publicUrl,
      csrfHeader: csrf.header,
      ourCookies,
      set: Object.keys(set),
      remove,
      pass,
    }),
    answerHeaders: new UpstreamResponseHeaders({ ours, ourCookies, isPersonal, isFrontend }),
  };
}

/** What a route asks of who comes, and tells them to do about it. */
function signInRules(
  options: RouteOptions,
  { basePath, defaultProvider, letsChoose }: ProxyOptions,
) {
  const { token, session, acr, maxAge, provider = defaultProvider } = options;
  const policy = tokenPolicyOf(options, defaultProvider);
  const demand = acr === undefined && maxAge === undefined ? undefined : { acr, maxAge };
  // Our own token is sent for whoever is signed in, wherever.
  const where = token === 'client' ? defaultProvider : provider;
  const unnamed = letsChoose ? undefined : defaultProvider;
  const signInPlace = { basePath, provider: where, defaultProvider: unnamed };
  const stepUp = {
    signedIn: stepUpResponse(signInPlace, false),
    connected: stepUpResponse(signInPlace, true),
  };
  return {
    isAnonymous: token === 'none' || session === 'none',
    wants: policy || demand ? { policy, demand } : undefined,
    signInPlace,
    stepUp: token === 'user' || token === 'optional' ? stepUp : undefined,
  };
}
