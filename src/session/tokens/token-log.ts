import { Logger } from '@nestjs/common';
import { reasonOf } from '../../errors.ts';
import type { Recorder } from '../../telemetry/recorder.ts';
import type { ConnectionListener } from '../store/redis/connection.ts';
import type { Session } from '../sessions/session.ts';
import type { RefreshListener } from './token-refresher.ts';

/** What became of a token request. */
export function onRefresh(recorder: Recorder): RefreshListener {
  return (outcome, provider) => {
    recorder.refreshed(provider, outcome.kind);
    logRefresh(outcome, provider);
  };
}

/** That Redis was lost or found. */
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

/** That tokens of a session could not be kept. */
export function logLostTokens({ provider }: Session, cause: unknown): void {
  const msg = 'refreshed tokens could not be stored; their session has to sign in again';
  new Logger('TokenRefresher').error({ msg, provider, err: cause });
}

/** That a provider's keys could not be fetched anew. */
export function logMissingKeys(provider: string) {
  const msg = 'keys not fetched; the last ones serve on';
  return (error: unknown) => new Logger('Provider').warn({ msg, provider, err: error });
}

/** That a client key cannot be used which has taken the place of another. */
export function logBadKey(provider: string) {
  const msg = 'the file of clientKey cannot be used; the last good key serves on';
  return (error: unknown) => new Logger('Provider').error({ msg, provider, err: error });
}

/** That a token of our own could not be shared with the other replicas. */
export function logUnshared(cause: unknown): void {
  new Logger('ClientTokens').warn({
    msg: 'client token not shared with other replicas',
    err: cause,
  });
}
