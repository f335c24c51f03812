import {
  hasResponded,
  isUnreachable,
  type NotRefreshed,
  retryAfterOf,
} from '../../oauth/tokens/refresh.ts';
import type { BffError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { Backoff } from './backoff.ts';

/** A token request that returned no token and did not end its session. */
export type Failure = Extract<NotRefreshed, { kind: 'failed' | 'refused' }>;

/** The names of the backoffs that apply to a token request. */
export interface BackoffNames {
  /** The requested token. */
  readonly token: string;
  /** The kind of request: refreshes at a provider, or the tokens of one policy. */
  readonly kind: string;
  readonly provider: string;
}

/**
 * Delays token requests after failures, by 1 to 30 seconds (see `Backoff`) or by the provider's
 * `Retry-After`. A failure of one token delays requests for that token. A provider that fails one
 * kind of request (refreshes, or the tokens of one policy) delays that kind for all sessions. A
 * provider that cannot be reached delays every kind. After a shared backoff, one trial request is
 * made first.
 */
export class RefreshBackoff<TokenRequest> {
  readonly #ofTokens: Backoff;
  /** Backoffs for all sessions, by kind of request or by provider. */
  readonly #shared: Backoff;
  /** Trial requests in progress, by the same names as `#shared`. */
  readonly #trials = new Map<string, Promise<unknown>>();

  constructor(
    clock: Clock,
    private readonly namesOf: (request: TokenRequest) => BackoffNames,
  ) {
    this.#ofTokens = new Backoff(clock);
    this.#shared = new Backoff(clock);
  }

  /**
   * Returns the failure whose backoff applies to this token, or `undefined` if a request may be
   * made.
   */
  failureFor(request: TokenRequest): Failure | undefined {
    const own = this.#ofTokens.failureOf(this.namesOf(request).token);
    if (own?.code === 'token_refused') return { kind: 'refused', error: own };
    if (own) return { kind: 'failed', error: own, concerns: 'session' };
    for (const name of this.#sharedNamesOf(request)) {
      const error = this.#shared.failureOf(name);
      if (error) return { kind: 'failed', error, concerns: 'provider' };
    }
    return undefined;
  }

  /** Returns the trial request in progress that this request must wait for, or `undefined`. */
  trialFor(request: TokenRequest): Promise<unknown> | undefined {
    const names = this.#sharedNamesOf(request);
    return names.map((name) => this.#trials.get(name)).find((trial) => trial !== undefined);
  }

  /** Records that a request was started. It becomes the trial request after a shared backoff. */
  noteRequest(request: TokenRequest, running: Promise<unknown>): void {
    for (const name of this.#sharedNamesOf(request)) {
      if (this.#shared.hasFailed(name)) this.#try(name, running);
    }
  }

  /** Records a failure and returns the failure whose backoff now applies. */
  noteFailure(request: TokenRequest, failure: Failure): Failure {
    if (failure.kind === 'failed' && failure.concerns === 'provider') {
      this.#beginShared(request, failure.error);
    } else {
      this.noteResponse(request);
      this.#ofTokens.begin(this.namesOf(request).token, failure.error);
    }
    return this.failureFor(request) ?? failure;
  }

  /** Records that the provider responded to this kind of request, and ends its shared backoff. */
  noteResponse(request: TokenRequest): void {
    for (const name of this.#sharedNamesOf(request)) this.#shared.end(name);
  }

  /** Records that this token was fetched, and ends its own backoff. */
  noteToken(request: TokenRequest): void {
    this.#ofTokens.end(this.namesOf(request).token);
  }

  #beginShared(request: TokenRequest, error: BffError): void {
    const { provider, kind } = this.namesOf(request);
    if (hasResponded(error)) this.#shared.end(provider);
    const name = isUnreachable(error) ? provider : kind;
    this.#shared.begin(name, error, retryAfterOf(error));
    // After the next backoff a new trial starts, even if this one never settles.
    for (const shared of this.#sharedNamesOf(request)) this.#trials.delete(shared);
  }

  #try(name: string, running: Promise<unknown>): void {
    const isOver = () => {
      if (this.#trials.get(name) === trial) this.#trials.delete(name);
    };
    const trial: Promise<void> = running.then(isOver, isOver);
    this.#trials.set(name, trial);
  }

  /** The names of the shared backoffs of a request: its kind, then its provider. */
  #sharedNamesOf(request: TokenRequest): readonly string[] {
    const { kind, provider } = this.namesOf(request);
    return [kind, provider];
  }
}
