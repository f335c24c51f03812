import { setTimeout } from 'node:timers/promises';
import { BffError } from '../../errors.ts';
import { revokeTokens } from '../../oauth/logout/end-session.ts';
import type { Provider } from '../../oauth/provider/provider.ts';
import type { ProviderRegistry } from '../../oauth/provider-registry.ts';
import {
  type NotRefreshed,
  type RefreshOutcome,
  refreshTokens,
} from '../../oauth/tokens/refresh.ts';
import { fetchUserToken } from '../../oauth/tokens/route-token.ts';
import type { Clock } from '../../clock.ts';
import type { ClaimsRefresher } from '../claims/claims-refresher.ts';
import { isConnection, sessionAt, withoutConnection } from '../sessions/linked-accounts.ts';
import { type Failure, RefreshBackoff } from './refresh-backoff.ts';
import { pollInterval, type RefreshLock } from './refresh-lock.ts';
import { isJustReplaced, refusedAgain } from './refused-tokens.ts';
import type { SessionStore, StoredSession } from '../sessions/session-store.ts';
import type { Session } from '../sessions/session.ts';
import type { PendingWrites } from './pending-writes.ts';
import {
  backoffNamesOf,
  freshClaims,
  type FreshResponse,
  isFetched,
  lockNameOf,
  nameOf,
  type TokenRequest,
  withFetched,
} from './token-request.ts';

/** The result of a token request: the session with its new tokens, or the failure. */
export type Refreshed = { readonly kind: 'refreshed'; readonly session: Session } | NotRefreshed;

/** Injects the `RefreshListener`. */
export const REFRESH_LISTENER = Symbol('refresh listener');

/** Called with the outcome of every token request, for logs and metrics. */
export type RefreshListener = (outcome: Refreshed | RefreshOutcome, provider: string) => void;

/**
 * Makes one token request per session and token, however many requests on all replicas need it.
 * Within a process they share one promise, which no disconnecting client can cancel. Between
 * processes, only the holder of a lock makes the request; the others wait for its tokens. After
 * failures, requests are delayed (see `RefreshBackoff`). A request that hangs blocks no other, and
 * its late response is still stored.
 */
export class TokenRefresher {
  readonly #running = new Map<string, Promise<Refreshed>>();
  readonly #backoff: RefreshBackoff<TokenRequest>;

  constructor(
    private readonly store: SessionStore,
    private readonly pendingWrites: PendingWrites,
    private readonly providers: ProviderRegistry,
    private readonly clock: Clock,
    private readonly claims: ClaimsRefresher,
    private readonly listener: RefreshListener,
  ) {
    this.#backoff = new RefreshBackoff(clock, backoffNamesOf);
  }

  /** Resolves when no refresh and no write of its tokens is in progress. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
    await this.pendingWrites.settled();
    await this.claims.settled();
  }

  /**
   * Replaces a session's stale tokens, or waits until another replica has done so. Returns
   * `refused` for a refused token if one was already replaced within the last 30 seconds. Throws
   * `session_store_unavailable`.
   */
  async refresh(request: TokenRequest): Promise<Refreshed> {
    const { refused } = request;
    if (refused && isJustReplaced(refused, this.clock())) {
      const fresh = await this.#freshInStore(request);
      return fresh ?? { kind: 'refused', error: refusedAgain() };
    }
    try {
      return await this.#inTurn(request);
    } catch (thrown) {
      if (!(thrown instanceof BffError) || thrown.code !== 'provider_unavailable') throw thrown;
      const failure: Failure = { kind: 'failed', error: thrown, concerns: 'provider' };
      return this.#backoff.noteFailure(request, failure);
    }
  }

  /** Throws `provider_unavailable` if the provider does not respond in time. */
  async #inTurn(request: TokenRequest): Promise<Refreshed> {
    const { provider } = request.session;
    const name = nameOf(request);
    if (this.pendingWrites.hasPendingWrite(name)) throw new BffError('session_store_unavailable');
    for (;;) {
      const paused = this.#backoff.failureFor(request);
      if (paused) return paused;
      const trial = this.#backoff.trialFor(request);
      if (!trial || this.#running.has(name))
        return this.#whileAlive(provider, this.#shared(request, name));
      await this.#whileAlive(provider, trial);
    }
  }

  async #whileAlive<T>(provider: string, work: Promise<T>): Promise<T> {
    return this.providers.find(provider)?.whileAlive(work) ?? work;
  }

  #shared(request: TokenRequest, name: string): Promise<Refreshed> {
    const running = this.#running.get(name);
    if (running) return running;
    const begun = this.#refresh(request).finally(() => this.#running.delete(name));
    this.#running.set(name, begun);
    this.#backoff.noteRequest(request, begun);
    return begun;
  }

  async #refresh(request: TokenRequest): Promise<Refreshed> {
    for (;;) {
      const done = (await this.#freshInStore(request)) ?? (await this.#tryToSpend(request));
      if (done) return done;
      await setTimeout(pollInterval);
    }
  }

  /** The tokens that another request stored, `undefined` if the stale token is still stored. */
  async #freshInStore(request: TokenRequest): Promise<Refreshed | undefined> {
    const { id, provider } = request.session;
    const stored = await this.store.readStored(id);
    const session = stored && sessionAt(stored.session, provider);
    if (!session) return { kind: 'ended', reason: 'the session is over' };
    return isFetched(request, stored.session) ? { kind: 'refreshed', session } : undefined;
  }

  async #tryToSpend(request: TokenRequest): Promise<Refreshed | undefined> {
    const { id, provider } = request.session;
    const lock = await this.store.lockRefresh(id, lockNameOf(request));
    if (!lock) return undefined;
    try {
      // Read again under the lock: its last holder may have written after the previous read.
      const stored = await this.store.readStored(id);
      const session = stored && sessionAt(stored.session, provider);
      if (!session || isFetched(request, stored.session)) return undefined;
      const outcome = await this.#spend(request, session, stored, lock);
      this.listener(outcome, provider);
      return outcome;
    } finally {
      // Otherwise the pending write keeps the lock.
      if (!this.pendingWrites.hasPendingWrite(nameOf(request))) await lock.release();
    }
  }

  async #spend(
    request: TokenRequest,
    session: Session,
    stored: StoredSession,
    lock: RefreshLock,
  ): Promise<Refreshed> {
    const provider = this.providers.ofAccount(session);
    if (!provider) return this.#end(session, 'its provider is not configured any more');
    const { policy, actorToken } = request;
    const now = this.clock();
    const outcome = policy
      ? await fetchUserToken(provider, policy, session, now, actorToken)
      : await refreshTokens(provider, session, now);
    if (outcome.kind !== 'failed') this.#backoff.noteResponse(request);
    switch (outcome.kind) {
      case 'refreshed':
        return this.#admit(request, session, stored, outcome, lock, provider);
      case 'ended':
        return this.#end(session, outcome.reason);
      case 'refused':
      case 'failed':
        return this.#backoff.noteFailure(request, outcome);
    }
  }

  /**
   * Stores the tokens with the claims of their ID token, if the rules still admit the user.
   * Otherwise ends the session. A hook is called after the tokens are safe, in the background.
   */
  async #admit(
    request: TokenRequest,
    session: Session,
    stored: StoredSession,
    outcome: FreshResponse,
    lock: RefreshLock,
    provider: Provider,
  ): Promise<Refreshed> {
    const { policy } = this.claims;
    const isExchange = request.policy?.kind === 'exchange';
    if (policy.isHooked || isExchange) {
      const kept = await this.#keep(request, stored, outcome, lock, provider);
      if (kept.kind === 'refreshed' && !isExchange && !request.leavesClaims)
        void this.claims.refresh(kept.session, 'hook').catch(() => undefined);
      return kept;
    }
    const claimsOf = (account: Session) => policy.withoutHook(account);
    const facts = { claimsOf, refreshedAt: outcome.tokens.obtainedAt };
    const { claims } = freshClaims(session, outcome.tokens, facts);
    if (policy.admits(claims))
      return this.#keep(request, stored, { ...outcome, claimsOf }, lock, provider);
    void revokeTokens(provider, outcome.tokens).catch(() => undefined);
    return this.#end(session, 'a rule does not admit the user any more');
  }

  /**
   * Stores the tokens. Logout wins: if the session has ended, nothing is written and the tokens are
   * revoked.
   */
  async #keep(
    request: TokenRequest,
    stored: StoredSession,
    fresh: FreshResponse,
    lock: RefreshLock,
    provider: Provider,
  ): Promise<Refreshed> {
    const name = nameOf(request);
    this.#backoff.noteToken(request);
    const written = await this.pendingWrites.keep(
      stored,
      {
        name,
        change: (before, limits) => withFetched(request, fresh, before, limits),
        isStored: (now) => !sessionAt(now, provider.id) || isFetched(request, now),
      },
      lock,
    );
    const session = written && sessionAt(written, provider.id);
    if (session) return { kind: 'refreshed', session };
    // In the background, and a failure is ignored: the session has ended.
    void revokeTokens(provider, fresh.tokens).catch(() => undefined);
    return { kind: 'ended', reason: 'the session ended during the refresh' };
  }

  /** Ends the session, or only the connected account if a further provider ended it. */
  async #end(session: Session, reason: string): Promise<Refreshed> {
    const { id, provider, tokens } = session;
    if (!isConnection(session)) {
      await this.store.end(id);
      return { kind: 'ended', reason };
    }
    await this.store.changeNow(id, (now) => {
      // The account may have been connected again since.
      const isSame = sessionAt(now, provider)?.tokens.refreshToken === tokens.refreshToken;
      return isSame ? withoutConnection(now, provider) : now;
    });
    return { kind: 'ended', reason: `a connected account: ${reason}` };
  }
}
