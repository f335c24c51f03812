import {
  hasResponded,
  isUnreachable,
  type NotRefreshed,
  requestedPause,
} from '../../oauth/tokens/refresh.ts';
import type { BffError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { Backoff } from './backoff.ts';
import { nameOf, type TokenRequest } from './token-request.ts';

/** A token request that returned no token and did not end its session. */
export type Failure = Extract<NotRefreshed, { kind: 'failed' | 'refused' }>;

/**
 * Delays token requests after failures. A failure of one token delays requests for that token. A
 * provider that fails one kind of request (refreshes, or the tokens of one policy) delays that kind
 * for all sessions. A provider that cannot be reached delays every kind. After a shared backoff,
 * one trial request is made first.
 */
export class RefreshBackoff {
  readonly #ofTokens: Backoff;
  /** Shared backoffs, named by kind of request or by provider. */
  readonly #shared: Backoff;
  /** Trial requests after a shared backoff, by the names of `#shared`. */
  readonly #trials = new Map<string, Promise<unknown>>();

  constructor(clock: Clock) {
    this.#ofTokens = new Backoff(clock);
    this.#shared = new Backoff(clock);
  }

  /**
   * Returns the failure whose backoff applies to this token, or `undefined` if a request may be
   * made.
   */
  pauseOf(wanted: TokenRequest): Failure | undefined {
    const own = this.#ofTokens.at(nameOf(wanted));
    if (own?.code === 'token_refused') return { kind: 'refused', error: own };
    if (own) return { kind: 'failed', error: own, concerns: 'session' };
    for (const name of sharedNamesOf(wanted)) {
      const error = this.#shared.at(name);
      if (error) return { kind: 'failed', error, concerns: 'provider' };
    }
    return undefined;
  }

  /** Returns the trial request in progress that this request must wait for, or `undefined`. */
  trialFor(wanted: TokenRequest): Promise<unknown> | undefined {
    const names = sharedNamesOf(wanted);
    return names.map((name) => this.#trials.get(name)).find((trial) => trial !== undefined);
  }

  /** Makes this the trial request if the previous request of its kind failed. */
  noteRequest(wanted: TokenRequest, request: Promise<unknown>): void {
    for (const name of sharedNamesOf(wanted)) {
      if (this.#shared.hasFailed(name)) this.#try(name, request);
    }
  }

  /** Records a failure and returns the failure whose backoff now applies. */
  noteFailure(wanted: TokenRequest, failure: Failure): Failure {
    if (failure.kind === 'failed' && failure.concerns === 'provider') {
      this.#pauseOthers(wanted, failure.error);
    } else {
      this.noteResponse(wanted);
      this.#ofTokens.begin(nameOf(wanted), failure.error);
    }
    return this.pauseOf(wanted) ?? failure;
  }

  /** Records that the provider serves this kind of request. */
  noteResponse(wanted: TokenRequest): void {
    for (const name of sharedNamesOf(wanted)) this.#shared.end(name);
  }

  /** Records that this token was fetched. */
  noteToken(wanted: TokenRequest): void {
    this.#ofTokens.end(nameOf(wanted));
  }

  #pauseOthers(wanted: TokenRequest, error: BffError): void {
    const { provider } = wanted.session;
    if (hasResponded(error)) this.#shared.end(provider);
    const name = isUnreachable(error) ? provider : kindOf(wanted);
    this.#shared.begin(name, error, requestedPause(error));
    // After the next backoff a new trial starts, even if this one never settles.
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

/** The names of the shared backoffs of a request: its kind, then its provider. */
function sharedNamesOf(wanted: TokenRequest): readonly string[] {
  return [kindOf(wanted), wanted.session.provider];
}

/** The kind of a request: refreshes at a provider, or the tokens of one policy. */
function kindOf({ session: { provider }, policy }: TokenRequest): string {
  return policy?.name ?? `${provider}:refresh`;
}
