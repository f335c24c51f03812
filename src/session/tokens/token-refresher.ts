import { setTimeout } from 'node:timers/promises';
import { BffError } from '../../errors.ts';
import { revokeTokens } from '../../oauth/logout/end-session.ts';
import type { Provider } from '../../oauth/provider/provider.ts';
import type { Providers } from '../../oauth/providers.ts';
import {
  type NotRefreshed,
  type RefreshOutcome,
  refreshTokens,
} from '../../oauth/tokens/refresh.ts';
import { fetchUserToken } from '../../oauth/tokens/route-token.ts';
import type { Clock } from '../../clock.ts';
import { isConnection, sessionAt, withoutConnection } from '../sessions/linked-accounts.ts';
import { type Failure, RefreshBackoff } from './refresh-backoff.ts';
import type { RefreshLock } from './refresh-lock.ts';
import { isJustReplaced, refusedAgain } from './refused-tokens.ts';
import type { SessionStore, StoredSession } from '../sessions/session-store.ts';
import type { Session } from '../sessions/session.ts';
import type { PendingWrites } from './pending-writes.ts';
import { isFetched, lockNameOf, nameOf, type TokenRequest, withFetched } from './token-request.ts';

/** What a request that needs fresh tokens gets. */
export type Refreshed = { readonly kind: 'refreshed'; readonly session: Session } | NotRefreshed;

type Fresh = Extract<RefreshOutcome, { kind: 'refreshed' }>;

/** Told what became of every token request, for the log. */
export type RefreshListener = (outcome: Refreshed | RefreshOutcome, provider: string) => void;

/** How often a replica looks whether the one that holds the lock is done, in milliseconds. */
const lookAgainAfter = 25;

/**
 * Makes one token request per session and token, however many requests need it on all replicas.
 * Within a process they share one promise, which no disconnecting client can cancel. Between
 * processes a lock decides, and the others wait for the winner's tokens instead of using the
 * refresh token again. After failures, requests of a kind are made by one session at a time with
 * growing pauses, and so are all requests to an unreachable provider. A request that hangs blocks
 * no other, and its late response is still stored.
 */
export class TokenRefresher {
  readonly #running = new Map<string, Promise<Refreshed>>();
  readonly #backoff: RefreshBackoff;

  constructor(
    private readonly store: SessionStore,
    private readonly keeper: PendingWrites,
    private readonly providers: Providers,
    private readonly clock: Clock,
    private readonly listener: RefreshListener,
  ) {
    this.#backoff = new RefreshBackoff(clock);
  }

  /** Resolves when no refresh is under way any more, and none of its tokens. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
    await this.keeper.settled();
  }

  /**
   * Replaces a session's stale tokens, or waits until another replica has done so. Returns
   * `refused` for a refused token if one was already replaced within the last 30 seconds. Throws
   * `session_store_unavailable`.
   */
  async refresh(wanted: TokenRequest): Promise<Refreshed> {
    const { refused } = wanted;
    if (refused && isJustReplaced(refused, this.clock())) {
      const fresh = await this.#freshInStore(wanted);
      return fresh ?? { kind: 'refused', error: refusedAgain() };
    }
    try {
      return await this.#inTurn(wanted);
    } catch (thrown) {
      if (!(thrown instanceof BffError) || thrown.code !== 'provider_unavailable') throw thrown;
      const failure: Failure = { kind: 'failed', error: thrown, concerns: 'provider' };
      return this.#backoff.noteFailure(wanted, failure);
    }
  }

  /** Throws `provider_unavailable` when the provider hangs. */
  async #inTurn(wanted: TokenRequest): Promise<Refreshed> {
    const { provider } = wanted.session;
    const name = nameOf(wanted);
    if (this.keeper.hasPendingWrite(name)) throw new BffError('session_store_unavailable');
    for (;;) {
      const paused = this.#backoff.pauseOf(wanted);
      if (paused) return paused;
      const trial = this.#backoff.trialFor(wanted);
      if (!trial || this.#running.has(name))
        return this.#whileAlive(provider, this.#shared(wanted, name));
      await this.#whileAlive(provider, trial);
    }
  }

  async #whileAlive<T>(provider: string, work: Promise<T>): Promise<T> {
    return this.providers.find(provider)?.whileAlive(work) ?? work;
  }

  #shared(wanted: TokenRequest, name: string): Promise<Refreshed> {
    const running = this.#running.get(name);
    if (running) return running;
    const begun = this.#refresh(wanted).finally(() => this.#running.delete(name));
    this.#running.set(name, begun);
    this.#backoff.noteRequest(wanted, begun);
    return begun;
  }

  async #refresh(wanted: TokenRequest): Promise<Refreshed> {
    for (;;) {
      const done = (await this.#freshInStore(wanted)) ?? (await this.#tryToSpend(wanted));
      if (done) return done;
      await setTimeout(lookAgainAfter);
    }
  }

  /**
   * What somebody else has left in the store since the stale token was read. Absent: it is still
   * that one.
   */
  async #freshInStore(wanted: TokenRequest): Promise<Refreshed | undefined> {
    const { id, provider } = wanted.session;
    const stored = await this.store.readStored(id);
    const session = stored && sessionAt(stored.session, provider);
    if (!session) return { kind: 'ended', reason: 'the session is over' };
    return isFetched(wanted, stored.session) ? { kind: 'refreshed', session } : undefined;
  }

  async #tryToSpend(wanted: TokenRequest): Promise<Refreshed | undefined> {
    const { id, provider } = wanted.session;
    const lock = await this.store.lockRefresh(id, lockNameOf(wanted));
    if (!lock) return undefined;
    try {
      // Read again under the lock: its last holder may have written after our look and before our
      // turn.
      const stored = await this.store.readStored(id);
      const session = stored && sessionAt(stored.session, provider);
      if (!session || isFetched(wanted, stored.session)) return undefined;
      const outcome = await this.#spend(wanted, session, stored, lock);
      this.listener(outcome, provider);
      return outcome;
    } finally {
      // Otherwise the keeper holds on to it.
      if (!this.keeper.hasPendingWrite(nameOf(wanted))) await lock.release();
    }
  }

  async #spend(
    wanted: TokenRequest,
    session: Session,
    stored: StoredSession,
    lock: RefreshLock,
  ): Promise<Refreshed> {
    const provider = this.providers.ofAccount(session);
    if (!provider) return this.#end(session, 'its provider is not configured any more');
    const { policy, actorToken } = wanted;
    const now = this.clock();
    const outcome = policy
      ? await fetchUserToken(provider, policy, session, now, actorToken)
      : await refreshTokens(provider, session, now);
    if (outcome.kind !== 'failed') this.#backoff.noteResponse(wanted);
    switch (outcome.kind) {
      case 'refreshed':
        return this.#keep(wanted, stored, outcome, lock, provider);
      case 'ended':
        return this.#end(session, outcome.reason);
      case 'refused':
      case 'failed':
        return this.#backoff.noteFailure(wanted, outcome);
    }
  }

  /**
   * Logout wins: tokens for a session that has ended meanwhile are revoked, and nothing is written.
   */
  async #keep(
    wanted: TokenRequest,
    stored: StoredSession,
    fresh: Fresh,
    lock: RefreshLock,
    provider: Provider,
  ): Promise<Refreshed> {
    const name = nameOf(wanted);
    this.#backoff.noteToken(wanted);
    const written = await this.keeper.keep(
      stored,
      {
        name,
        change: (before, limits) => withFetched(wanted, fresh, before, limits),
        isStored: (now) => !sessionAt(now, provider.id) || isFetched(wanted, now),
      },
      lock,
    );
    const session = written && sessionAt(written, provider.id);
    if (session) return { kind: 'refreshed', session };
    // Nobody waits for it, and the session they were for is gone: whether it succeeds is the
    // provider's affair.
    void revokeTokens(provider, fresh.tokens).catch(() => undefined);
    return { kind: 'ended', reason: 'the session ended during the refresh' };
  }

  /** A second provider's word is about the account there. */
  async #end(session: Session, reason: string): Promise<Refreshed> {
    const { id, provider, tokens } = session;
    if (!isConnection(session)) {
      await this.store.end(id);
      return { kind: 'ended', reason };
    }
    await this.store.changeNow(id, (now) => {
      // It may have been connected anew meanwhile.
      const isSame = sessionAt(now, provider)?.tokens.refreshToken === tokens.refreshToken;
      return isSame ? withoutConnection(now, provider) : now;
    });
    return { kind: 'ended', reason: `a connected account: ${reason}` };
  }
}
