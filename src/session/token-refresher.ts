import { setTimeout } from 'node:timers/promises';
import { BffError } from '../errors.ts';
import { revokeTokens } from '../oauth/logout.ts';
import type { Provider } from '../oauth/provider.ts';
import type { Providers } from '../oauth/providers.ts';
import {
  type NotRefreshed,
  type RefreshOutcome,
  refreshTokens,
  requestedPause,
} from '../oauth/refresh.ts';
import type { TokenSet } from '../oauth/tokens.ts';
import type { Clock } from './clock.ts';
import { Pauses } from './pauses.ts';
import type { RefreshLock } from './refresh-lock.ts';
import type { SessionStore, StoredSession } from './session-store.ts';
import type { Session } from './session.ts';
import type { TokenKeeper } from './token-keeper.ts';

/** What a request that needs fresh tokens gets. */
export type Refreshed = { readonly kind: 'refreshed'; readonly session: Session } | NotRefreshed;

type Fresh = Extract<RefreshOutcome, { kind: 'refreshed' }>;
type Failure = Extract<NotRefreshed, { kind: 'failed' }>;

/** Told what became of every token request, for the log. */
export type RefreshListener = (outcome: Refreshed, provider: string) => void;

/** How often a replica looks whether the one that holds the lock is done, in milliseconds. */
const lookAgainAfter = 25;

/**
 * One token request per session, however many requests on however many replicas ask. In this process they share one
 * promise, which no client that hangs up can cancel; between processes a lock decides, and whoever does not get it waits
 * for the winner's tokens instead of spending the refresh token again. A provider that is down is asked by one of its
 * sessions at a time, after pauses that grow; one that hangs keeps nobody waiting, but what it answers late is not lost.
 */
export class TokenRefresher {
  readonly #running = new Map<string, Promise<Refreshed>>();
  /** By provider: the one refresh that finds out whether it is back. */
  readonly #trials = new Map<string, Promise<unknown>>();
  readonly #sessionPauses: Pauses;
  readonly #providerPauses: Pauses;

  constructor(
    private readonly store: SessionStore,
    private readonly keeper: TokenKeeper,
    private readonly providers: Providers,
    private readonly clock: Clock,
    private readonly listener: RefreshListener,
  ) {
    this.#sessionPauses = new Pauses(clock);
    this.#providerPauses = new Pauses(clock);
  }

  /** Resolves when no refresh is under way any more, and none of its tokens. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
    await this.keeper.settled();
  }

  /** Fresh tokens in the place of a session's stale ones, whoever fetches them. Throws `session_store_unavailable`. */
  async refresh(session: Session): Promise<Refreshed> {
    try {
      return await this.#inTurn(session);
    } catch (thrown) {
      if (!(thrown instanceof BffError) || thrown.code !== 'provider_unavailable') throw thrown;
      return this.#pause(session, { kind: 'failed', error: thrown, concerns: 'provider' });
    }
  }

  /** Throws `provider_unavailable` when the provider hangs. */
  async #inTurn(session: Session): Promise<Refreshed> {
    const { id, provider } = session;
    if (this.keeper.isOffering(id)) throw new BffError('session_store_unavailable');
    for (;;) {
      const paused = this.#pauseOf(session);
      if (paused) return paused;
      const trial = this.#trials.get(provider);
      if (!trial || this.#running.has(id)) return this.#whileAlive(provider, this.#shared(session));
      await this.#whileAlive(provider, trial);
    }
  }

  async #whileAlive<T>(provider: string, work: Promise<T>): Promise<T> {
    return this.providers.find(provider)?.whileAlive(work) ?? work;
  }

  #shared({ id, provider, tokens }: Session): Promise<Refreshed> {
    const running = this.#running.get(id);
    if (running) return running;
    const begun = this.#refresh(id, tokens).finally(() => this.#running.delete(id));
    this.#running.set(id, begun);
    if (this.#providerPauses.hasFailed(provider)) this.#try(provider, begun);
    return begun;
  }

  #try(provider: string, refresh: Promise<Refreshed>): void {
    const isOver = () => {
      if (this.#trials.get(provider) === trial) this.#trials.delete(provider);
    };
    const trial: Promise<void> = refresh.then(isOver, isOver);
    this.#trials.set(provider, trial);
  }

  async #refresh(id: string, stale: TokenSet): Promise<Refreshed> {
    for (;;) {
      const done = (await this.#freshInStore(id, stale)) ?? (await this.#tryToSpend(id, stale));
      if (done) return done;
      await setTimeout(lookAgainAfter);
    }
  }

  /** What somebody else's refresh has left in the store since `stale` was read. Absent: still `stale`. */
  async #freshInStore(id: string, stale: TokenSet): Promise<Refreshed | undefined> {
    const stored = await this.store.readStored(id);
    if (!stored) return { kind: 'ended', reason: 'the session is over' };
    return isSame(stored.session.tokens, stale)
      ? undefined
      : { kind: 'refreshed', session: stored.session };
  }

  async #tryToSpend(id: string, stale: TokenSet): Promise<Refreshed | undefined> {
    const lock = await this.store.lockRefresh(id);
    if (!lock) return undefined;
    try {
      // Read again under the lock: its last holder may have written after our look and before our turn.
      const stored = await this.store.readStored(id);
      if (!stored || !isSame(stored.session.tokens, stale)) return undefined;
      const outcome = await this.#spend(id, stored, lock);
      this.listener(outcome, stored.session.provider);
      return outcome;
    } finally {
      // Otherwise the keeper holds on to it.
      if (!this.keeper.isOffering(id)) await lock.release();
    }
  }

  async #spend(id: string, stored: StoredSession, lock: RefreshLock): Promise<Refreshed> {
    const { session } = stored;
    const provider = this.providers.find(session.provider);
    if (!provider) return this.#end(id, 'its provider is not configured any more');
    const outcome = await refreshTokens(provider, session, this.clock());
    if (outcome.kind !== 'failed') this.#providerPauses.end(provider.id);
    switch (outcome.kind) {
      case 'refreshed':
        return this.#keep(stored, outcome, lock, provider);
      case 'ended':
        return this.#end(id, outcome.reason);
      case 'failed':
        return this.#pause(session, outcome);
    }
  }

  #pause({ id, provider }: Session, failure: Failure): Failure {
    const { error, concerns } = failure;
    if (concerns === 'provider') {
      this.#providerPauses.begin(provider, error, requestedPause(error));
      // One that hangs is not waited for again: the next pause ends with another.
      this.#trials.delete(provider);
    } else {
      this.#providerPauses.end(provider);
      this.#sessionPauses.begin(id, error);
    }
    return this.#pauseOf({ id, provider }) ?? failure;
  }

  #pauseOf({ id, provider }: Pick<Session, 'id' | 'provider'>): Failure | undefined {
    const own = this.#sessionPauses.at(id);
    if (own) return { kind: 'failed', error: own, concerns: 'session' };
    const error = this.#providerPauses.at(provider);
    return error && { kind: 'failed', error, concerns: 'provider' };
  }

  /** Logout wins: tokens for a session that has ended meanwhile are revoked, and nothing is written. */
  async #keep(
    stored: StoredSession,
    fresh: Fresh,
    lock: RefreshLock,
    provider: Provider,
  ): Promise<Refreshed> {
    this.#sessionPauses.end(stored.session.id);
    const session = await this.keeper.keep(stored, fresh, lock);
    if (session) return { kind: 'refreshed', session };
    // Nobody waits for it, and the session they were for is gone: whether it succeeds is the provider's affair.
    void revokeTokens(provider, fresh.tokens).catch(() => undefined);
    return { kind: 'ended', reason: 'the session ended during the refresh' };
  }

  async #end(id: string, reason: string): Promise<Refreshed> {
    await this.store.end(id);
    return { kind: 'ended', reason };
  }
}

/** A provider may give the same access token once more, for longer: that is a refresh as well. */
function isSame(stored: TokenSet, stale: TokenSet): boolean {
  return stored.accessToken === stale.accessToken && stored.obtainedAt === stale.obtainedAt;
}
