import {
  hasResponded,
  isUnreachable,
  type NotRefreshed,
  requestedPause,
} from '../oauth/refresh.ts';
import type { BffError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { Pauses } from './pauses.ts';
import { nameOf, type WantedToken } from './wanted-token.ts';

/** A token request that brought no token and did not end its session. */
export type Failure = Extract<NotRefreshed, { kind: 'failed' | 'refused' }>;

/**
 * Which token requests wait after one that failed. A failure about one token pauses requests for
 * that token. A provider that cannot serve a kind of request (refreshes, or the tokens of one
 * policy) pauses that kind for all sessions. A provider that cannot be reached pauses every kind.
 * After a pause that sessions share, one request tries for all.
 */
export class RefreshBackoff {
  readonly #ofTokens: Pauses;
  /** By kind of request, and by provider. */
  readonly #shared: Pauses;
  /** By the same names: the request that finds out whether it works again. */
  readonly #trials = new Map<string, Promise<unknown>>();

  constructor(clock: Clock) {
    this.#ofTokens = new Pauses(clock);
    this.#shared = new Pauses(clock);
  }

  /** The failure whose pause a request for this token has to wait for. Absent: it may be made. */
  pauseOf(wanted: WantedToken): Failure | undefined {
    const own = this.#ofTokens.at(nameOf(wanted));
    if (own?.code === 'token_refused') return { kind: 'refused', error: own };
    if (own) return { kind: 'failed', error: own, concerns: 'session' };
    for (const name of sharedNamesOf(wanted)) {
      const error = this.#shared.at(name);
      if (error) return { kind: 'failed', error, concerns: 'provider' };
    }
    return undefined;
  }

  /** The request of another session that tries for all. Absent: none is under way. */
  trialFor(wanted: WantedToken): Promise<unknown> | undefined {
    const names = sharedNamesOf(wanted);
    return names.map((name) => this.#trials.get(name)).find((trial) => trial !== undefined);
  }

  /** Makes a request the one that tries for all, if requests like it have failed last. */
  noteRequest(wanted: WantedToken, request: Promise<unknown>): void {
    for (const name of sharedNamesOf(wanted)) {
      if (this.#shared.hasFailed(name)) this.#try(name, request);
    }
  }

  /** Notes a failure and returns the pause that it leads to, if that is not over yet. */
  noteFailure(wanted: WantedToken, failure: Failure): Failure {
    if (failure.kind === 'failed' && failure.concerns === 'provider') {
      this.#pauseOthers(wanted, failure.error);
    } else {
      this.noteResponse(wanted);
      this.#ofTokens.begin(nameOf(wanted), failure.error);
    }
    return this.pauseOf(wanted) ?? failure;
  }

  /** Notes that the provider serves this kind of request. */
  noteResponse(wanted: WantedToken): void {
    for (const name of sharedNamesOf(wanted)) this.#shared.end(name);
  }

  /** Notes that this token was fetched. */
  noteToken(wanted: WantedToken): void {
    this.#ofTokens.end(nameOf(wanted));
  }

  #pauseOthers(wanted: WantedToken, error: BffError): void {
    const { provider } = wanted.session;
    if (hasResponded(error)) this.#shared.end(provider);
    const name = isUnreachable(error) ? provider : kindOf(wanted);
    this.#shared.begin(name, error, requestedPause(error));
    // A request that hangs is not waited for again: the next pause ends with another.
    for (const shared of sharedNamesOf(wanted)) this.#trials.delete(shared);
  }

  #try(name: string, request: Promise<unknown>): void {
    const isOver = () => {
      if (this.#trials.get(name) === trial) this.#trials.delete(name);
    };
    const trial: Promise<void> = request.then(isOver, isOver);
    this.#trials.set(name, trial);
  }
}

/** The kind of request first, then the provider. */
function sharedNamesOf(wanted: WantedToken): readonly string[] {
  return [kindOf(wanted), wanted.session.provider];
}

/** Names refreshes at a provider, or requests for the tokens of one policy. */
function kindOf({ session: { provider }, policy }: WantedToken): string {
  return policy?.name ?? `${provider}:refresh`;
}
