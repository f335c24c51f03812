import { Logger, type Provider as NestProvider } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { type AccountProvider, ProviderRegistry } from '../oauth/provider-registry.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { ClaimsPolicy } from './claims/claims-policy.ts';
import { ClaimsRefresher, type ClaimsRefresherParts } from './claims/claims-refresher.ts';
import { SessionRefreshService } from './claims/session-refresh.service.ts';
import { ClientHandlesService } from './clients/client-handles.service.ts';
import { LoginCookieService } from './cookie/login-cookie.service.ts';
import { SessionCookieService } from './cookie/session-cookie.service.ts';
import { SignedOutNavigationService } from './navigation/signed-out-navigation.service.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { SessionNotifier } from './sessions/session-notifier.ts';
import { LinkedAccountsService } from './sessions/linked-accounts.service.ts';
import { SessionCache } from './sessions/session-cache.ts';
import { SessionIndex } from './sessions/session-index.ts';
import { SessionReaderService } from './sessions/session-reader.service.ts';
import { SessionStore } from './sessions/session-store.ts';
import type { Session } from './sessions/session.ts';
import { SignedInSessionsService } from './sessions/signed-in-sessions.service.ts';
import { KEY_VALUE_STORE, type KeyValueStore } from './store/key-value-store.ts';
import { MemoryKeyValueStore } from './store/memory.ts';
import { PendingLogins } from './store/pending-logins.ts';
import type { ConnectionListener } from './store/redis/connection.ts';
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
  {
    provide: KEY_VALUE_STORE,
    inject: [SESSION_OPTIONS, CLOCK, Recorder],
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
    inject: [SESSION_OPTIONS, SessionStore, ProviderRegistry, ClaimsPolicy, CLOCK, Recorder],
    useFactory: (
      { claimsRefresh: interval }: SessionRoomOptions,
      store: SessionStore,
      providers: ProviderRegistry,
      policy: ClaimsPolicy,
      clock: Clock,
      recorder: Recorder,
    ) => {
      const parts = { store, providers, policy, clock, interval };
      return new ClaimsRefresher({ ...parts, listener: onClaims(recorder) });
    },
  },
  SessionRefreshService,
  {
    provide: TokenRefresher,
    inject: [SessionStore, ProviderRegistry, CLOCK, ClaimsRefresher, Recorder],
    useFactory: (
      store: SessionStore,
      providers: ProviderRegistry,
      clock: Clock,
      claims: ClaimsRefresher,
      recorder: Recorder,
    ) => {
      const pending = new PendingWrites(store, logLostTokens);
      return new TokenRefresher(store, pending, providers, clock, claims, onRefresh(recorder));
    },
  },
  {
    provide: ClientTokens,
    inject: [SESSION_OPTIONS, KEY_VALUE_STORE, Sealing, ProviderRegistry, CLOCK, Recorder],
    useFactory: (
      options: SessionRoomOptions,
      store: KeyValueStore,
      sealing: Sealing,
      providers: ProviderRegistry,
      clock: Clock,
      recorder: Recorder,
    ) => {
      const records = new SealedRecords(store, sealing, `${keyPrefix(options)}client:`);
      const listeners = { onOutcome: onRefresh(recorder), onUnshared: logUnshared };
      return new ClientTokens(records, store, providers, clock, listeners);
    },
  },
  AccessTokenService,
  RouteTokenService,
  { provide: REFRESH_LISTENER, inject: [Recorder], useFactory: onRefresh },
  CallerTokensService,
];

/** The Nest providers of the `session` room. They require `SESSION_OPTIONS` and `CLOCK`. */
export const sessionProviders: NestProvider[] = [...storage, ...sessions, ...tokens];

function openStore(options: SessionRoomOptions, clock: Clock, recorder: Recorder): KeyValueStore {
  const { redis, store } = options;
  if (store && redis)
    throw new Error('Remove redis from the options: the sessions are in `store`.');
  if (store) return store;
  if (!redis) {
    const warning = 'no redis.url: sessions live in this process alone and end with it';
    new Logger('Redis').warn(warning);
    return new MemoryKeyValueStore(clock);
  }
  return new RedisKeyValueStore(redis, sessionPrefix(options), onConnection(recorder));
}

function sessionPrefix(options: SessionRoomOptions): string {
  return `${keyPrefix(options)}session:`;
}

function keyPrefix({ redis }: SessionRoomOptions): string {
  return redis?.keyPrefix ?? '';
}

/** Records and logs the outcome of a token request. */
function onRefresh(recorder: Recorder): RefreshListener {
  const logger = new Logger('TokenRefresher');
  return (outcome, provider) => {
    recorder.refreshed(provider, outcome.kind);
    switch (outcome.kind) {
      case 'refreshed':
        return logger.debug({ msg: 'tokens refreshed', provider });
      case 'ended':
        return logger.log({ msg: 'session ended', provider, reason: outcome.reason });
      case 'refused':
        return logger.log({ msg: 'token refused', provider, reason: reasonOf(outcome.error) });
      case 'failed':
        return logger.warn({ msg: 'tokens not refreshed', provider, err: outcome.error });
    }
  };
}

/** Records and logs the outcome of reading claims again. */
function onClaims(recorder: Recorder): ClaimsRefresherParts['listener'] {
  const logger = new Logger('ClaimsRefresher');
  return (outcome, provider) => {
    recorder.claimsRead(provider, outcome.kind);
    if (outcome.kind === 'ended')
      logger.log({ msg: 'session ended', provider, reason: outcome.reason });
    if (outcome.kind === 'failed')
      logger.warn({ msg: 'claims not read again', provider, reason: reasonOf(outcome.error) });
  };
}

/** Creates a listener that records and logs a lost or restored connection to Redis. */
function onConnection(recorder: Recorder): ConnectionListener {
  const logger = new Logger('Redis');
  return (event, cause) => {
    recorder.redis(event);
    if (event === 'connected') logger.log('connected');
    else logger.error({ msg: 'connection lost; sessions answer 503 until it is back', err: cause });
  };
}

/** Logs that refreshed tokens of a session could not be stored. */
function logLostTokens({ provider }: Session, cause: unknown): void {
  const msg = 'refreshed tokens could not be stored; their session has to sign in again';
  new Logger('TokenRefresher').error({ msg, provider, err: cause });
}

/** Logs that a client token could not be shared with the other replicas. */
function logUnshared(cause: unknown): void {
  new Logger('ClientTokens').warn({
    msg: 'client token not shared with other replicas',
    err: cause,
  });
}
