import {
  hasResponded,
  isUnreachable,
  type NotRefreshed,
  retryAfterOf,
} from '../../oauth/tokens/refresh.ts';
import type { BffError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { Backoff } from './backoff.ts';
import { nameOf, type TokenRequest } from './token-request.ts';

/** A token request that returned no token and did not end its session. */
export type Failure = Extract<NotRefreshed, { kind: 'failed' | 'refused' }>;

/**
 * Delays token requests after failures, by 1 to 30 seconds (see `Backoff`) or by the provider's
 * `Retry-After`. A failure of one token delays requests for that token. A provider that fails one
 * kind of request (refreshes, or the tokens of one policy) delays that kind for all sessions. A
 * provider that cannot be reached delays every kind. After a shared backoff, one trial request is
 * made first.
 */
export class RefreshBackoff {
  readonly #ofTokens: Backoff;
  /** Backoffs for all sessions, by kind of request or by provider. */
  readonly #shared: Backoff;
  /** Trial requests in progress, by the same names as `#shared`. */
  readonly #trials = new Map<string, Promise<unknown>>();

  constructor(clock: Clock) {
    this.#ofTokens = new Backoff(clock);
    this.#shared = new Backoff(clock);
  }

  /**
   * Returns the failure whose backoff applies to this token, or `undefined` if a request may be
   * made.
   */
  failureFor(request: TokenRequest): Failure | undefined {
    const own = this.#ofTokens.failureOf(nameOf(request));
    if (own?.code === 'token_refused') return { kind: 'refused', error: own };
    if (own) return { kind: 'failed', error: own, concerns: 'session' };
    for (const name of sharedNamesOf(request)) {
      const error = this.#shared.failureOf(name);
      if (error) return { kind: 'failed', error, concerns: 'provider' };
    }
    return undefined;
  }

  /** Returns the trial request in progress that this request must wait for, or `undefined`. */
  trialFor(request: TokenRequest): Promise<unknown> | undefined {
    const names = sharedNamesOf(request);
    return names.map((name) => this.#trials.get(name)).find((trial) => trial !== undefined);
  }

  /** Records that a request was started. It becomes the trial request after a shared backoff. */
  noteRequest(request: TokenRequest, running: Promise<unknown>): void {
    for (const name of sharedNamesOf(request)) {
      if (this.#shared.hasFailed(name)) this.#try(name, running);
    }
  }

  /** Records a failure and returns the failure whose backoff now applies. */
  noteFailure(request: TokenRequest, failure: Failure): Failure {
    if (failure.kind === 'failed' && failure.concerns === 'provider') {
      this.#beginShared(request, failure.error);
    } else {
      this.noteResponse(request);
      this.#ofTokens.begin(nameOf(request), failure.error);
    }
    return this.failureFor(request) ?? failure;
  }

  /** Records that the provider responded to this kind of request, and ends its shared backoff. */
  noteResponse(request: TokenRequest): void {
    for (const name of sharedNamesOf(request)) this.#shared.end(name);
  }

  /** Records that this token was fetched, and ends its own backoff. */
  noteToken(request: TokenRequest): void {
    this.#ofTokens.end(nameOf(request));
  }

  #beginShared(request: TokenRequest, error: BffError): void {
    const { provider } = request.session;
    if (hasResponded(error)) this.#shared.end(provider);
    const name = isUnreachable(error) ? provider : kindOf(request);
    this.#shared.begin(name, error, retryAfterOf(error));
    // After the next backoff a new trial starts, even if this one never settles.
    for (const shared of sharedNamesOf(request)) this.#trials.delete(shared);
  }

  #try(name: string, running: Promise<unknown>): void {
    const isOver = () => {
      if (this.#trials.get(name) === trial) this.#trials.delete(name);
    };
    const trial: Promise<void> = running.then(isOver, isOver);
    this.#trials.set(name, trial);
  }
}

/** The names of the shared backoffs of a request: its kind, then its provider. */
function sharedNamesOf(request: TokenRequest): readonly string[] {
  return [kindOf(request), request.session.provider];
}

/** The kind of a request: refreshes at a provider, or the tokens of one policy. */
function kindOf({ session: { provider }, policy }: TokenRequest): string {
  return policy?.name ?? `${provider}:refresh`;
}
