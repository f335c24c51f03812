import { Logger, type Provider as NestProvider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { BffService } from './access/bff.service.ts';
import { authProviders } from './auth/auth.providers.ts';
import { AUTH_OPTIONS, type AuthOptions, formPostCallbacks } from './auth/auth-options.ts';
import type { Options } from './config/options.ts';
import { frontendPolicy } from './frontend/content-security-policy.ts';
import { frontendRoute } from './frontend/frontend-route.ts';
import { FRONTEND_OPTIONS, type FrontendRoomOptions } from './frontend/frontend.middleware.ts';
import {
  MANAGEMENT_LISTENS,
  MANAGEMENT_OPTIONS,
  type ManagementRoomOptions,
  ManagementServer,
} from './management/management.service.ts';
import { Recorder } from './telemetry/recorder.ts';
import { type AccountProvider, Providers } from './oauth/providers.ts';
import { baseUrl, oauthProvider } from './oauth/oauth.providers.ts';
import { PROBLEM_OPTIONS, ProblemFilter, type ProblemOptions } from './http/problem.filter.ts';
import { proxyProviders } from './proxy/proxy.providers.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy/proxy-options.ts';
import { withProviderCertificates } from './proxy/upstream/tls.ts';
import { ResponseHeaders } from './http/response-headers.ts';
import { CLOCK, type Clock } from './clock.ts';
import { type CookieNames, cookieNames } from './session/cookie/cookies.ts';
import type { KeyValueStore } from './session/store/key-value-store.ts';
import { LoginCookieService } from './session/cookie/login-cookie.service.ts';
import { MemoryKeyValueStore } from './session/store/memory.ts';
import { PendingLogins } from './session/store/pending-logins.ts';
import { RedisKeyValueStore } from './session/store/redis/redis-key-value-store.ts';
import { SealedRecords } from './session/store/sealed-records.ts';
import { Sealing } from './session/store/sealing.ts';
import { SessionCookieService } from './session/cookie/session-cookie.service.ts';
import { SessionCache } from './session/sessions/session-cache.ts';
import { EndNotifier } from './session/sessions/end-notifier.ts';
import { SessionIndex } from './session/sessions/session-index.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session/session-options.ts';
import { SessionReaderService } from './session/sessions/session-reader.service.ts';
import { SessionStore } from './session/sessions/session-store.ts';
import { SignedInSessionsService } from './session/sessions/signed-in-sessions.service.ts';
import { SignedInGuard } from './access/signed-in.guard.ts';
import { UsedOnce } from './session/store/used-once.ts';
import { onConnection, tokenProviders } from './session/session.providers.ts';

/** Injects the whole configuration. Only this file uses it; each room gets its slice. */
export const OPTIONS = Symbol('options');

/** Injects whether the BFF is a part of a host application, not a server of its own. */
export const IS_EMBEDDED = Symbol('is embedded');

/** Injects the `KeyValueStore`. */
export const STORE = Symbol('store');

/** Everything that Nest constructs or injects, grouped by room. */
export const bffProviders: NestProvider[] = [
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
  {
    provide: ResponseHeaders,
    inject: [OPTIONS],
    useFactory: ({ publicUrl, basePath, routes, frontend }: Options) =>
      new ResponseHeaders({
        isHttps: publicUrl.startsWith('https:'),
        notPages: [basePath, ...routes.map((route) => route.path)],
        pagePolicy: frontendPolicy(frontend?.contentSecurityPolicy),
      }),
  },

  oauthProvider(OPTIONS),

  // session
  { provide: STORE, inject: [OPTIONS, CLOCK, Recorder], useFactory: openStore },
  slice(Sealing, (options) => new Sealing(options.session.secrets)),
  {
    provide: SessionIndex,
    inject: [OPTIONS, STORE, CLOCK],
    useFactory: (options: Options, store: KeyValueStore, clock: Clock) =>
      new SessionIndex(store, `${keyPrefix(options)}index:`, options.session, clock),
  },
  {
    provide: SessionStore,
    inject: [OPTIONS, STORE, Sealing, SessionIndex, CLOCK, Providers],
    useFactory: (
      options: Options,
      store: KeyValueStore,
      sealing: Sealing,
      index: SessionIndex,
      clock: Clock,
      providers: Providers,
    ) => {
      const records = new SealedRecords(store, sealing, `${keyPrefix(options)}session:`);
      const isKnown = (account: AccountProvider) => !providers.isReplaced(account);
      return new SessionStore(records, index, store, options.session, clock, isKnown);
    },
  },
  {
    provide: SessionCache,
    inject: [OPTIONS, SessionStore, CLOCK],
    useFactory: ({ session }: Options, store: SessionStore, clock: Clock) =>
      new SessionCache(store, session.idle, clock),
  },
  {
    provide: PendingLogins,
    inject: [OPTIONS, STORE, Sealing, CLOCK],
    useFactory: (options: Options, store: KeyValueStore, sealing: Sealing, clock: Clock) => {
      const { pendingLogins: most } = options.rateLimit;
      const places = { store, key: `${keyPrefix(options)}pending-logins`, most };
      const records = new SealedRecords(store, sealing, `${keyPrefix(options)}login:`);
      return new PendingLogins(records, places, clock);
    },
  },
  {
    provide: UsedOnce,
    inject: [OPTIONS, STORE, CLOCK],
    useFactory: (options: Options, store: KeyValueStore, clock: Clock) =>
      new UsedOnce(store, `${keyPrefix(options)}used:`, clock),
  },
  slice(SESSION_OPTIONS, (options): SessionRoomOptions => ({
    publicUrl: options.publicUrl,
    session: options.session,
    csrf: options.csrf,
    cookies: namesOf(options),
    loginSameSite: formPostCallbacks(options.providers).length > 0 ? 'none' : 'lax',
  })),
  {
    provide: EndNotifier,
    inject: [SessionStore],
    useFactory: (store: SessionStore) => new EndNotifier(store),
  },
  SessionReaderService,
  SignedInSessionsService,
  SessionCookieService,
  LoginCookieService,
  ...tokenProviders(OPTIONS, STORE),
  SignedInGuard,
  BffService,

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
    inject: [OPTIONS, ResponseHeaders, IS_EMBEDDED],
    useFactory: (
      options: Options,
      answerHeaders: ResponseHeaders,
      frontendIsLast: boolean,
    ): ProxyOptions => ({
      answerHeaders,
      publicUrl: options.publicUrl,
      basePath: options.basePath,
      csrf: options.csrf,
      trustedProxies: options.server.trustedProxies,
      ourCookies: Object.values(namesOf(options)),
      routes: withProviderCertificates(options.routes, options.providers),
      frontendRoute: options.frontend?.url ? frontendRoute(options.frontend.url) : undefined,
      frontendIsLast,
      defaultProvider: options.providers[0]?.id,
      letsChoose: options.login.chooser,
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
      passesOn,
    }),
  },

  // management
  {
    provide: MANAGEMENT_OPTIONS,
    inject: [OPTIONS, STORE],
    useFactory: (options: Options, store: KeyValueStore): ManagementRoomOptions => ({
      listen: options.management,
      store,
      storeName: options.redis ? 'redis' : 'memory',
    }),
  },
  { provide: MANAGEMENT_LISTENS, useValue: true },
  ManagementServer,
];

/** A provider that depends only on the configuration. */
function slice<T>(token: NonNullable<unknown>, pick: (options: Options) => T): NestProvider {
  return { provide: token as symbol, inject: [OPTIONS], useFactory: pick };
}

function openStore({ redis }: Options, clock: Clock, recorder: Recorder): KeyValueStore {
  if (!redis) {
    const warning = 'no redis.url: sessions live in this process alone and end with it';
    new Logger('Redis').warn(warning);
    return new MemoryKeyValueStore(clock);
  }
  return new RedisKeyValueStore(redis, `${redis.keyPrefix}session:`, onConnection(recorder));
}

function namesOf({ publicUrl, session }: Options): CookieNames {
  return cookieNames(publicUrl, session.cookieName);
}

function keyPrefix({ redis }: Options): string {
  return redis?.keyPrefix ?? '';
}
