import type { Provider as NestProvider } from '@nestjs/common';
import { type BffHooks, HOOKS } from './oauth/hook/bff-hooks.ts';
import { APP_FILTER } from '@nestjs/core';
import { ACCESS_OPTIONS, type AccessOptions } from './access/access.service.ts';
import { accessProviders, placesOfRules } from './access/access.providers.ts';
import { claimsOfControllers } from './access/required-rules.ts';
import { authProviders } from './auth/auth.providers.ts';
import { AUTH_OPTIONS, type AuthOptions, formPostCallbacks } from './auth/auth-options.ts';
import {
  AUTHORIZATION_SERVER_OPTIONS,
  authorizationServerOptions,
} from './authorization-server/authorization-server-options.ts';
import { WELL_KNOWN, type WellKnown, wellKnown } from './authorization-server/well-known.ts';
import { authorizationServerProviders } from './authorization-server/authorization-server.providers.ts';
import { OPTIONS, type Options } from './config/options.ts';
import { tracksReturns, publicPathsOf } from './config/protected-pages.ts';
import { frontendPolicy } from './frontend/content-security-policy.ts';
import { frontendRoute } from './frontend/frontend-route.ts';
import { FRONTEND_OPTIONS, type FrontendRoomOptions } from './frontend/frontend.middleware.ts';
import {
  MANAGEMENT_LISTENS,
  MANAGEMENT_OPTIONS,
  type ManagementRoomOptions,
  ManagementService,
} from './management/management.service.ts';
import { Recorder } from './telemetry/recorder.ts';
import { OAUTH_OPTIONS, type OAuthRoomOptions } from './oauth/oauth-options.ts';
import { ruleClaims } from './oauth/login/rule-claims.ts';
import { oauthProviders } from './oauth/oauth.providers.ts';
import { type HookedClaims, SIGN_IN_HOOK } from './oauth/hook/sign-in-hook.ts';
import { AccessService } from './access/access.service.ts';
import { ClaimsPolicy } from './session/claims/claims-policy.ts';
import { PROBLEM_OPTIONS, ProblemFilter, type ProblemOptions } from './http/problem.filter.ts';
import { proxyProviders } from './proxy/proxy.providers.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy/proxy-options.ts';
import { withProviderCertificates } from './proxy/upstream/tls.ts';
import { ResponseHeaders } from './http/response-headers.ts';
import { CLOCK, type Clock } from './clock.ts';
import { arrivalCookieName, type CookieNames, cookieNames } from './session/cookie/cookies.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session/session-options.ts';
import type { KeyValueStore } from './session/store/key-value-store.ts';
import { sessionProviders } from './session/session.providers.ts';

/** What a host application gives to the BFF besides the configuration. */
export interface HostOptions extends BffHooks {
  /**
   * A store for sessions and everything that replicas share, in place of Redis. Test it with the
   * suite of `pixie-bff/store`. The BFF closes it when the application shuts down.
   */
  readonly store?: KeyValueStore;
  /**
   * `false` keeps the BFF from mounting body parsers in an application that was created with
   * `bodyParser: false`, for handlers that read the request as a stream. Defaults to `true`.
   */
  readonly bodyParser?: boolean;
}

/** Injects whether the BFF is a part of a host application, not a server of its own. */
export const IS_EMBEDDED = Symbol('is embedded');

/**
 * Everything that Nest constructs or injects, grouped by room. Each room gets its slice of the
 * options; only this file and the module inject all of them.
 */
export const bffProviders: NestProvider[] = [
  // http and telemetry
  { provide: CLOCK, useValue: Date.now satisfies Clock },
  { provide: APP_FILTER, useExisting: ProblemFilter },
  ProblemFilter,
  slice(Recorder, ({ basePath, routes, providers, login }) => {
    const names = {
      routes: routes.map(({ path }) => path),
      providers: providers.map(({ id }) => id),
      rules: placesOfRules({ login, routes }),
    };
    return new Recorder({ basePath, ...names });
  }),
  {
    provide: PROBLEM_OPTIONS,
    inject: [OPTIONS, Recorder],
    useFactory: (options: Options, recorder: Recorder): ProblemOptions => ({
      basePath: options.basePath,
      defaultReturnUrl: options.login.defaultReturnUrl,
      errorUrl: options.errorUrl,
      listener: (code, route) => recorder.problem(code, route),
    }),
  },
  slice(
    ResponseHeaders,
    ({ publicUrl, basePath, routes, frontend }) =>
      new ResponseHeaders({
        isHttps: publicUrl.startsWith('https:'),
        notPages: [basePath, ...routes.map((route) => route.path)],
        pagePolicy: frontendPolicy(frontend?.contentSecurityPolicy),
      }),
  ),

  // oauth
  slice(OAUTH_OPTIONS, (options): OAuthRoomOptions => ({
    providers: options.providers,
    routes: options.routes,
    baseUrl: baseUrl(options),
    hook: options.login.hook,
    bearer: options.bearer,
    ruleClaims: [...ruleClaims(options), ...claimsOfControllers()],
  })),
  ...oauthProviders,

  // session
  {
    provide: SESSION_OPTIONS,
    inject: [OPTIONS, HOOKS],
    useFactory: (options: Options, { store }: HostOptions): SessionRoomOptions => ({
      publicUrl: options.publicUrl,
      session: options.session,
      redis: options.redis,
      maxPendingLogins: options.rateLimit.pendingLogins,
      claimsRefresh: options.user.refresh,
      csrf: options.csrf,
      cookies: namesOf(options),
      arrivalCookie: arrivalNameOf(options),
      tracksReturns: tracksReturns(options),
      loginSameSite: formPostCallbacks(options.providers).length > 0 ? 'none' : 'lax',
      store,
    }),
  },
  ...sessionProviders,

  // access
  {
    provide: ACCESS_OPTIONS,
    inject: [OPTIONS, Recorder],
    useFactory: ({ login }: Options, listener: Recorder): AccessOptions => ({
      signInRules: login.require ?? [],
      listener,
    }),
  },
  ...accessProviders,
  {
    provide: ClaimsPolicy,
    inject: [OPTIONS, SIGN_IN_HOOK, AccessService],
    useFactory: (options: Options, hook: HookedClaims | undefined, access: AccessService) => {
      const wanted = [...ruleClaims(options), ...claimsOfControllers()];
      // Rules of the configuration name kept claims. An address also needs `email_verified`.
      const kept = options.user.claims && [...options.user.claims, ...wanted];
      return new ClaimsPolicy({
        hook,
        kept,
        ruleClaims: wanted,
        admits: (claims) => access.stillAdmits(claims),
      });
    },
  },

  // auth
  {
    provide: AUTH_OPTIONS,
    inject: [OPTIONS, Recorder],
    useFactory: (options: Options, listener: Recorder): AuthOptions => ({
      basePath: options.basePath,
      user: options.user,
      chooser: options.login.chooser,
      postLogoutRedirectUri: `${baseUrl(options)}/logout/callback`,
      returnUrl: { publicUrl: options.publicUrl, basePath: options.basePath, ...options.login },
      formPostCallbacks: formPostCallbacks(options.providers),
      hasAuthorizationServer: options.authorizationServer !== undefined,
      listener,
    }),
  },
  ...authProviders,

  // authorization-server
  slice(AUTHORIZATION_SERVER_OPTIONS, authorizationServerOptions),
  slice(WELL_KNOWN, wellKnown),
  ...authorizationServerProviders,

  // proxy
  {
    provide: PROXY_OPTIONS,
    inject: [OPTIONS, ResponseHeaders, IS_EMBEDDED, WELL_KNOWN],
    useFactory: (
      options: Options,
      defaultResponseHeaders: ResponseHeaders,
      frontendIsLast: boolean,
      { prefixes }: WellKnown,
    ): ProxyOptions => ({
      defaultResponseHeaders,
      publicUrl: options.publicUrl,
      basePath: options.basePath,
      csrf: options.csrf,
      trustedProxies: options.server.trustedProxies,
      reservedPaths: [options.basePath, ...prefixes],
      ourCookies: [...Object.values(namesOf(options)), arrivalNameOf(options)],
      routes: withProviderCertificates(options.routes, options.providers),
      frontendRoute: options.frontend?.url ? frontendRoute(options.frontend.url) : undefined,
      frontendIsLast,
      publicPaths: publicPathsOf(options),
      defaultProvider: options.providers[0]?.id,
      offersChoice: options.login.chooser,
      maxWebSockets: options.session.maxWebSockets,
    }),
  },
  ...proxyProviders,

  // frontend
  {
    provide: FRONTEND_OPTIONS,
    inject: [OPTIONS, IS_EMBEDDED],
    useFactory: (options: Options, passesOn: boolean): FrontendRoomOptions => ({
      basePath: options.basePath,
      directory: options.frontend?.directory,
      csrf: options.csrf,
      // The same place for this file, for its compiled form and for the bundle.
      clientScript: new URL('../dist/client/served.js', import.meta.url),
      publicPaths: publicPathsOf(options),
      passesOn,
    }),
  },

  // management
  {
    provide: MANAGEMENT_OPTIONS,
    inject: [OPTIONS, HOOKS],
    useFactory: (options: Options, hooks: HostOptions): ManagementRoomOptions => ({
      listen: options.management,
      storeName: hooks.store ? 'store' : options.redis ? 'redis' : 'memory',
    }),
  },
  { provide: MANAGEMENT_LISTENS, useValue: true },
  ManagementService,
];

/** Creates a Nest provider for a slice of the options, or a value that depends only on options. */
function slice<T>(token: NonNullable<unknown>, pick: (options: Options) => T): NestProvider {
  return { provide: token as symbol, inject: [OPTIONS], useFactory: pick };
}

/** The public base URL of our own endpoints, as browsers see it. */
function baseUrl({ publicUrl, basePath }: Options): string {
  return publicUrl + basePath;
}

function namesOf({ publicUrl, session }: Options): CookieNames {
  return cookieNames(publicUrl, session.cookieName);
}

function arrivalNameOf({ publicUrl, session }: Options): string {
  return arrivalCookieName(publicUrl, session.cookieName);
}
