import type { Provider as NestProvider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { authProviders } from './auth/auth.providers.ts';
import { AUTH_OPTIONS, type AuthOptions, formPostCallbacks } from './auth/auth-options.ts';
import { OPTIONS, type Options } from './config/options.ts';
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
import { oauthProviders } from './oauth/oauth.providers.ts';
import { PROBLEM_OPTIONS, ProblemFilter, type ProblemOptions } from './http/problem.filter.ts';
import { proxyProviders } from './proxy/proxy.providers.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy/proxy-options.ts';
import { withProviderCertificates } from './proxy/upstream/tls.ts';
import { ResponseHeaders } from './http/response-headers.ts';
import { CLOCK, type Clock } from './clock.ts';
import { type CookieNames, cookieNames } from './session/cookie/cookies.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session/session-options.ts';
import { SignedInGuard } from './session/cookie/signed-in.guard.ts';
import { sessionProviders } from './session/session.providers.ts';

/**
 * Everything that Nest constructs or injects, grouped by room. Each room gets its slice of the
 * options; only this file and the module inject all of them.
 */
export const bffProviders: NestProvider[] = [
  // http and telemetry
  { provide: CLOCK, useValue: Date.now satisfies Clock },
  { provide: APP_FILTER, useExisting: ProblemFilter },
  ProblemFilter,
  slice(Recorder, ({ basePath, routes, providers }) => {
    const names = {
      routes: routes.map(({ path }) => path),
      providers: providers.map(({ id }) => id),
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
  })),
  ...oauthProviders,

  // session
  slice(SESSION_OPTIONS, (options): SessionRoomOptions => ({
    publicUrl: options.publicUrl,
    session: options.session,
    redis: options.redis,
    maxPendingLogins: options.rateLimit.pendingLogins,
    csrf: options.csrf,
    cookies: namesOf(options),
    loginSameSite: formPostCallbacks(options.providers).length > 0 ? 'none' : 'lax',
  })),
  ...sessionProviders,
  SignedInGuard,

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
      listener,
    }),
  },
  ...authProviders,

  // proxy
  {
    provide: PROXY_OPTIONS,
    inject: [OPTIONS, ResponseHeaders],
    useFactory: (options: Options, defaultResponseHeaders: ResponseHeaders): ProxyOptions => ({
      defaultResponseHeaders,
      publicUrl: options.publicUrl,
      basePath: options.basePath,
      csrf: options.csrf,
      trustedProxies: options.server.trustedProxies,
      ourCookies: Object.values(namesOf(options)),
      routes: withProviderCertificates(options.routes, options.providers),
      frontendRoute: options.frontend?.url ? frontendRoute(options.frontend.url) : undefined,
      defaultProvider: options.providers[0]?.id,
      offersChoice: options.login.chooser,
      maxWebSockets: options.session.maxWebSockets,
    }),
  },
  ...proxyProviders,

  // frontend
  slice(FRONTEND_OPTIONS, (options): FrontendRoomOptions => ({
    basePath: options.basePath,
    directory: options.frontend?.directory,
  })),

  // management
  slice(MANAGEMENT_OPTIONS, (options): ManagementRoomOptions => ({
    listen: options.management,
    storeName: options.redis ? 'redis' : 'memory',
  })),
  { provide: MANAGEMENT_LISTENS, useValue: true },
  ManagementService,
];

/** The Nest provider of a slice of the options, or of what depends on the options alone. */
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
