import { Injectable, Logger } from '@nestjs/common';
import { reasonOf } from '../errors.ts';
import { Recorder } from '../telemetry/recorder.ts';
import type { ClaimsRefresherParts } from './claims/claims-refresher.ts';
import type { Session } from './sessions/session.ts';
import type { ConnectionListener } from './store/redis/connection.ts';
import type { RefreshListener } from './tokens/token-refresher.ts';

type RefreshOutcome = Parameters<RefreshListener>[0];
type ClaimsOutcome = Parameters<ClaimsRefresherParts['listener']>[0];
type ConnectionEvent = Parameters<ConnectionListener>[0];

/** Logs and counts what happens to sessions and their tokens without a request. */
@Injectable()
export class SessionLogService {
  readonly #claims = new Logger('ClaimsRefresher');
  readonly #clientTokens = new Logger('ClientTokens');
  readonly #redis = new Logger('Redis');
  readonly #tokens = new Logger('TokenRefresher');

  constructor(private readonly recorder: Recorder) {}

  /** The outcome of a token request. */
  refreshed(outcome: RefreshOutcome, provider: string): void {
    this.recorder.refreshed(provider, outcome.kind);
    switch (outcome.kind) {
      case 'refreshed':
        return this.#tokens.debug({ msg: 'tokens refreshed', provider });
      case 'ended':
        return this.#tokens.log({ msg: 'session ended', provider, reason: outcome.reason });
      case 'refused':
        return this.#tokens.log({
          msg: 'token refused',
          provider,
          reason: reasonOf(outcome.error),
        });
      case 'failed':
        return this.#tokens.warn({ msg: 'tokens not refreshed', provider, err: outcome.error });
    }
  }

  /** The outcome of reading claims again. */
  claimsRead(outcome: ClaimsOutcome, provider: string): void {
    this.recorder.claimsRead(provider, outcome.kind);
    if (outcome.kind === 'ended')
      this.#claims.log({ msg: 'session ended', provider, reason: outcome.reason });
    if (outcome.kind === 'failed')
      this.#claims.warn({
        msg: 'claims not read again',
        provider,
        reason: reasonOf(outcome.error),
      });
  }

  /** A lost or restored connection to Redis. */
  connection(event: ConnectionEvent, cause: unknown): void {
    this.recorder.redis(event);
    if (event === 'connected') this.#redis.log('connected');
    else
      this.#redis.error({
        msg: 'connection lost; sessions answer 503 until it is back',
        err: cause,
      });
  }

  /** Refreshed tokens of a session could not be stored. */
  lostTokens({ provider }: Session, cause: unknown): void {
    const msg = 'refreshed tokens could not be stored; their session has to sign in again';
    this.#tokens.error({ msg, provider, err: cause });
  }

  /** A client token could not be shared with the other replicas. */
  unshared(cause: unknown): void {
    this.#clientTokens.warn({ msg: 'client token not shared with other replicas', err: cause });
  }
}
