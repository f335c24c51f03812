import { Logger, type Provider as NestProvider } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.ts';
import { type AccountProvider, ProviderRegistry } from '../oauth/provider-registry.ts';
import { ClaimsPolicy } from './claims/claims-policy.ts';
import { ClaimsRefresher, type ClaimsRefresherParts } from './claims/claims-refresher.ts';
import { SessionRefreshService } from './claims/session-refresh.service.ts';
import { ClientHandlesService } from './clients/client-handles.service.ts';
import { ClientSessionsService } from './clients/client-sessions.service.ts';
import { ClientSignIns } from './clients/client-sign-ins.ts';
import { LoginCookieService } from './cookie/login-cookie.service.ts';
import { SessionCookieService } from './cookie/session-cookie.service.ts';
import { SignedOutNavigationService } from './navigation/signed-out-navigation.service.ts';
import { SessionLogService } from './session-log.service.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { SessionNotifier } from './sessions/session-notifier.ts';
import { LinkedAccountsService } from './sessions/linked-accounts.service.ts';
import { SessionCache } from './sessions/session-cache.ts';
import { SessionIndex } from './sessions/session-index.ts';
import { SessionReaderService } from './sessions/session-reader.service.ts';
import { SessionStore } from './sessions/session-store.ts';
import { SignedInSessionsService } from './sessions/signed-in-sessions.service.ts';
import { KEY_VALUE_STORE, type KeyValueStore } from './store/key-value-store.ts';
import { MemoryKeyValueStore } from './store/memory.ts';
import { PendingLogins } from './store/pending-logins.ts';
import { RedisKeyValueStore } from './store/redis/redis-key-value-store.ts';
import { SealedRecords } from './store/sealed-records.ts';
import { Sealing } from './store/sealing.ts';
import { UsedOnce } from './store/used-once.ts';
import { AccessTokenService } from './tokens/access-token.service.ts';
import { CallerTokensService } from './tokens/caller-tokens.service.ts';
import { ClientTokens } from './tokens/client-tokens.ts';
import { PendingWrites } from './tokens/pending-writes.ts';
import { RouteTokenService } from './tokens/route-token.service.ts';
import {
  REFRESH_LISTENER,
  type RefreshListener,
  TokenRefresher,
} from './tokens/token-refresher.ts';

/** Where records are stored, and how long. */
const storage: NestProvider[] = [
  SessionLogService,
  {
    provide: KEY_VALUE_STORE,
    inject: [SESSION_OPTIONS, CLOCK, SessionLogService],
    useFactory: openStore,
  },
  {
    provide: Sealing,
    inject: [SESSION_OPTIONS],
    useFactory: ({ session }: SessionRoomOptions) => new Sealing(session.secrets),
  },
  {
    provide: PendingLogins,
    inject: [SESSION_OPTIONS, KEY_VALUE_STORE, Sealing, CLOCK],
    useFactory: (
      options: SessionRoomOptions,
      store: KeyValueStore,
      sealing: Sealing,
      clock: Clock,
    ) => {
      const { maxPendingLogins: most } = options;
      const slots = { store, key: `${keyPrefix(options)}pending-logins`, most };
      const records = new SealedRecords(store, sealing, `${keyPrefix(options)}login:`);
      return new PendingLogins(records, slots, clock);
    },
  },
  {
    provide: ClientSignIns,
    inject: [SESSION_OPTIONS, KEY_VALUE_STORE, Sealing],
    useFactory: (options: SessionRoomOptions, store: KeyValueStore, sealing: Sealing) =>
      new ClientSignIns(new SealedRecords(store, sealing, `${keyPrefix(options)}client-sign-in:`)),
  },
  {
    provide: UsedOnce,
    inject: [SESSION_OPTIONS, KEY_VALUE_STORE, CLOCK],
    useFactory: (options: SessionRoomOptions, store: KeyValueStore, clock: Clock) =>
      new UsedOnce(store, `${keyPrefix(options)}used:`, clock),
  },
];

/** The sessions and their cookies. */
const sessions: NestProvider[] = [
  {
    provide: SessionIndex,
    inject: [SESSION_OPTIONS, KEY_VALUE_STORE, CLOCK],
    useFactory: (options: SessionRoomOptions, store: KeyValueStore, clock: Clock) =>
      new SessionIndex(store, `${keyPrefix(options)}index:`, options.session, clock),
  },
  {
    provide: SessionStore,
    inject: [SESSION_OPTIONS, KEY_VALUE_STORE, Sealing, SessionIndex, CLOCK, ProviderRegistry],
    useFactory: (
      options: SessionRoomOptions,
      store: KeyValueStore,
      sealing: Sealing,
      index: SessionIndex,
      clock: Clock,
      providers: ProviderRegistry,
    ) => {
      const records = new SealedRecords(store, sealing, sessionPrefix(options));
      const isKnown = (account: AccountProvider) => !providers.isReplaced(account);
      return new SessionStore(records, index, store, options.session, clock, isKnown);
    },
  },
  {
    provide: SessionCache,
    inject: [SESSION_OPTIONS, SessionStore, CLOCK],
    useFactory: ({ session }: SessionRoomOptions, store: SessionStore, clock: Clock) =>
      new SessionCache(store, session.idle, clock),
  },
  {
    provide: SessionNotifier,
    inject: [SessionStore],
    useFactory: (store: SessionStore) => new SessionNotifier(store),
  },
  ClientHandlesService,
  ClientSessionsService,
  SessionReaderService,
  SignedOutNavigationService,
  SignedInSessionsService,
  LinkedAccountsService,
  SessionCookieService,
  LoginCookieService,
];

/** The access tokens of sessions and routes, client tokens, and claims that stay fresh. */
const tokens: NestProvider[] = [
  {
    provide: ClaimsRefresher,
    inject: [
      SESSION_OPTIONS,
      SessionStore,
      ProviderRegistry,
      ClaimsPolicy,
      CLOCK,
      SessionLogService,
    ],
    useFactory: (
      { claimsRefresh: interval }: SessionRoomOptions,
      store: SessionStore,
      providers: ProviderRegistry,
      policy: ClaimsPolicy,
      clock: Clock,
      log: SessionLogService,
    ) => {
      const listener: ClaimsRefresherParts['listener'] = (outcome, provider) =>
        log.claimsRead(outcome, provider);
      return new ClaimsRefresher({ store, providers, policy, clock, interval, listener });
    },
  },
  SessionRefreshService,
  {
    provide: TokenRefresher,
    inject: [SessionStore, ProviderRegistry, CLOCK, ClaimsRefresher, SessionLogService],
    useFactory: (
      store: SessionStore,
      providers: ProviderRegistry,
      clock: Clock,
      claims: ClaimsRefresher,
      log: SessionLogService,
    ) => {
      const pending = new PendingWrites(store, (session, cause) => log.lostTokens(session, cause));
      const listener: RefreshListener = (outcome, provider) => log.refreshed(outcome, provider);
      return new TokenRefresher(store, pending, providers, clock, claims, listener);
    },
  },
  {
    provide: ClientTokens,
    inject: [SESSION_OPTIONS, KEY_VALUE_STORE, Sealing, ProviderRegistry, CLOCK, SessionLogService],
    useFactory: (
      options: SessionRoomOptions,
      store: KeyValueStore,
      sealing: Sealing,
      providers: ProviderRegistry,
      clock: Clock,
      log: SessionLogService,
    ) => {
      const records = new SealedRecords(store, sealing, `${keyPrefix(options)}client:`);
      return new ClientTokens(records, store, providers, clock, {
        onOutcome: (outcome, provider) => log.refreshed(outcome, provider),
        onUnshared: (cause) => log.unshared(cause),
      });
    },
  },
  AccessTokenService,
  RouteTokenService,
  {
    provide: REFRESH_LISTENER,
    inject: [SessionLogService],
    useFactory:
      (log: SessionLogService): RefreshListener =>
      (outcome, provider) =>
        log.refreshed(outcome, provider),
  },
  CallerTokensService,
];

/** The Nest providers of the `session` room. They require `SESSION_OPTIONS` and `CLOCK`. */
export const sessionProviders: NestProvider[] = [...storage, ...sessions, ...tokens];

function openStore(
  options: SessionRoomOptions,
  clock: Clock,
  log: SessionLogService,
): KeyValueStore {
  const { redis, store } = options;
  if (store && redis)
    throw new Error('Remove redis from the options: the sessions are in `store`.');
  if (store) return store;
  if (!redis) {
    const warning = 'no redis.url: sessions live in this process alone and end with it';
    new Logger('Redis').warn(warning);
    return new MemoryKeyValueStore(clock);
  }
  return new RedisKeyValueStore(redis, sessionPrefix(options), (event, cause) =>
    log.connection(event, cause),
  );
}

function sessionPrefix(options: SessionRoomOptions): string {
  return `${keyPrefix(options)}session:`;
}

function keyPrefix({ redis }: SessionRoomOptions): string {
  return redis?.keyPrefix ?? '';
}
