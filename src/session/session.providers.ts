import { Logger, type Provider as NestProvider } from '@nestjs/common';
import { reasonOf } from '../errors.ts';
import type { Options } from '../config/options.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { Providers } from '../oauth/providers.ts';
import { ClaimsPolicy } from './claims/claims-policy.ts';
import { ClaimsRefresher, type ClaimsRefresherParts } from './claims/claims-refresher.ts';
import { SessionRefreshService } from './claims/session-refresh.service.ts';
import { AccessTokenService } from './tokens/access-token.service.ts';
import { ClientTokens } from './tokens/client-tokens.ts';
import { CLOCK, type Clock } from '../clock.ts';
import { LinkedAccountsService } from './sessions/linked-accounts.service.ts';
import type { KeyValueStore } from './store/key-value-store.ts';
import { RouteTokenService } from './tokens/route-token.service.ts';
import { SealedRecords } from './store/sealed-records.ts';
import { Sealing } from './store/sealing.ts';
import type { ConnectionListener } from './store/redis/connection.ts';
import type { Session } from './sessions/session.ts';
import { SessionStore } from './sessions/session-store.ts';
import { PendingWrites } from './tokens/pending-writes.ts';
import { type RefreshListener, TokenRefresher } from './tokens/token-refresher.ts';

/**
 * The Nest providers that keep access tokens valid: those of sessions, of routes, and client
 * tokens. `options` and `store` are the injection tokens of `Options` and the key-value store.
 */
export function tokenProviders(options: symbol, store: symbol): NestProvider[] {
  return [
    {
      provide: ClaimsRefresher,
      inject: [options, SessionStore, Providers, ClaimsPolicy, CLOCK, Recorder],
      useFactory: (
        { user }: Options,
        sessions: SessionStore,
        providers: Providers,
        policy: ClaimsPolicy,
        clock: Clock,
        recorder: Recorder,
      ) => {
        const parts = { store: sessions, providers, policy, clock, interval: user.refresh };
        return new ClaimsRefresher({ ...parts, listener: onClaims(recorder) });
      },
    },
    SessionRefreshService,
    {
      provide: TokenRefresher,
      inject: [SessionStore, Providers, CLOCK, ClaimsRefresher, Recorder],
      useFactory: (
        sessions: SessionStore,
        providers: Providers,
        clock: Clock,
        claims: ClaimsRefresher,
        recorder: Recorder,
      ) => {
        const keeper = new PendingWrites(sessions, logLostTokens);
        return new TokenRefresher(sessions, keeper, providers, clock, claims, onRefresh(recorder));
      },
    },
    {
      provide: ClientTokens,
      inject: [options, store, Sealing, Providers, CLOCK, Recorder],
      useFactory: (
        { redis }: Options,
        values: KeyValueStore,
        sealing: Sealing,
        providers: Providers,
        clock: Clock,
        recorder: Recorder,
      ) => {
        const records = new SealedRecords(values, sealing, `${redis?.keyPrefix ?? ''}client:`);
        const listeners = { onOutcome: onRefresh(recorder), onUnshared: logUnshared };
        return new ClientTokens(records, values, providers, clock, listeners);
      },
    },
    AccessTokenService,
    RouteTokenService,
    LinkedAccountsService,
  ];
}

/** Records and logs the outcome of a token request. */
function onRefresh(recorder: Recorder): RefreshListener {
  return (outcome, provider) => {
    recorder.refreshed(provider, outcome.kind);
    logRefresh(outcome, provider);
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
export function onConnection(recorder: Recorder): ConnectionListener {
  const logger = new Logger('Redis');
  return (event, cause) => {
    recorder.redis(event);
    if (event === 'connected') logger.log('connected');
    else logger.error({ msg: 'connection lost; sessions answer 503 until it is back', err: cause });
  };
}

function logRefresh(outcome: Parameters<RefreshListener>[0], provider: string): void {
  const logger = new Logger('TokenRefresher');
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
