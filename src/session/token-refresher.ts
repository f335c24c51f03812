import { setTimeout } from 'node:timers/promises';
import type { BffError } from '../errors.ts';
import { revokeTokens } from '../oauth/logout.ts';
import type { Provider } from '../oauth/provider.ts';
import type { Providers } from '../oauth/providers.ts';
import { refreshTokens } from '../oauth/refresh.ts';
import type { TokenSet } from '../oauth/tokens.ts';
import type { Clock } from './clock.ts';
import { Pauses } from './pauses.ts';
import type { RefreshLock } from './refresh-lock.ts';
import type { SessionStore, StoredSession } from './session-store.ts';
import type { Session } from './session.ts';

/** What a request that needs fresh tokens gets. */
export type Refreshed =
  | { readonly kind: 'refreshed'; readonly session: Session }
  | { readonly kind: 'ended'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: BffError };

/** Told what became of every token request, for the log. */
export type RefreshListener = (outcome: Refreshed, provider: string) => void;

/** How often a replica looks whether the one that holds the lock is done, in milliseconds. */
const lookAgainAfter = 25;

/**
 * One token request per session, however many requests on however many replicas ask. In this process they share one
 * promise, which no client that hangs up can cancel; between processes a lock decides, and whoever does not get it waits
 * for the winner's tokens instead of spending the refresh token again.
 */
export class TokenRefresher {
  readonly #running = new Map<string, Promise<Refreshed>>();
  readonly #pauses: Pauses;

  constructor(
    private readonly store: SessionStore,
    private readonly providers: Providers,
    private readonly clock: Clock,
    private readonly listener: RefreshListener,
  ) {
    this.#pauses = new Pauses(clock);
  }

  /** Fresh tokens in the place of `stale`, whoever fetches them. Throws `session_store_unavailable`. */
  async refresh(id: string, stale: TokenSet): Promise<Refreshed> {
    const error = this.#pauses.at(id);
    if (error) return { kind: 'failed', error };
    let running = this.#running.get(id);
    if (!running) {
      running = this.#refresh(id, stale).finally(() => this.#running.delete(id));
      this.#running.set(id, running);
    }
    return running;
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
    const isStale = stored.session.tokens.accessToken === stale.accessToken;
    return isStale ? undefined : { kind: 'refreshed', session: stored.session };
  }

  async #tryToSpend(id: string, stale: TokenSet): Promise<Refreshed | undefined> {
    const lock = await this.store.lockRefresh(id);
    if (!lock) return undefined;
    try {
      // Read again under the lock: its last holder may have written after our look and before our turn.
      const stored = await this.store.readStored(id);
      if (stored?.session.tokens.accessToken !== stale.accessToken) return undefined;
      const outcome = await this.#spend(id, stored, lock);
      this.listener(outcome, stored.session.provider);
      return outcome;
    } finally {
      await lock.release();
    }
  }

  async #spend(id: string, stored: StoredSession, lock: RefreshLock): Promise<Refreshed> {
    const { session } = stored;
    const provider = this.providers.find(session.provider);
    if (!provider) return this.#end(id, 'its provider is not configured any more');
    const outcome = await refreshTokens(provider, session, this.clock());
    switch (outcome.kind) {
      case 'refreshed':
        return this.#keep(id, stored, outcome.tokens, lock, provider);
      case 'ended':
        return this.#end(id, outcome.reason);
      case 'failed':
        this.#pauses.begin(id, outcome.error);
        return outcome;
    }
  }

  /** Logout wins: tokens for a session that has ended meanwhile are revoked, and nothing is written. */
  async #keep(
    id: string,
    stored: StoredSession,
    tokens: TokenSet,
    lock: RefreshLock,
    provider: Provider,
  ): Promise<Refreshed> {
    this.#pauses.end(id);
    const session = await this.store.replaceTokens(stored, tokens, lock);
    if (session) return { kind: 'refreshed', session };
    // Nobody waits for it, and the session they were for is gone: whether it succeeds is the provider's affair.
    void revokeTokens(provider, tokens).catch(() => undefined);
    return { kind: 'ended', reason: 'the session ended during the refresh' };
  }

  async #end(id: string, reason: string): Promise<Refreshed> {
    await this.store.end(id);
    return { kind: 'ended', reason };
  }
}
