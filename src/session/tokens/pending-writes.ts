import { setTimeout } from 'node:timers/promises';
import type { RefreshLock } from './refresh-lock.ts';
import type { Change, SessionStore, StoredSession } from '../sessions/session-store.ts';
import type { Session } from '../sessions/session.ts';

/**
 * How long tokens are offered to a store that does not take them, in milliseconds: longer than a
 * failover.
 */
const patience = 20_000;

/** Milliseconds between two offers. */
const pause = 100;

/**
 * Told of tokens that no store would take in time. Their session needs another sign-in: the refresh
 * token they replace is spent.
 */
export type LossListener = (session: Session, cause: unknown) => void;

/** What a provider has just given out. */
export interface FreshTokens {
  /** Of all that may be on its way into the store, this. */
  readonly name: string;
  readonly change: Change;
  /** Whether a session has it, or what somebody else was given meanwhile. */
  readonly isStored: (session: Session) => boolean;
}

/**
 * Puts fresh tokens into the store. When the provider has given them out they are all their session
 * has, so a store that fails just then is offered them until it takes them.
 */
export class PendingWrites {
  readonly #offers = new Map<string, Promise<unknown>>();

  constructor(
    private readonly store: SessionStore,
    private readonly onLoss: LossListener,
  ) {}

  /**
   * Whether tokens of this name are still on their way into the store: the stored ones are spent.
   */
  hasPendingWrite(name: string): boolean {
    return this.#offers.has(name);
  }

  /**
   * The session with its fresh tokens, or with those that somebody else has stored meanwhile.
   * Absent: it has ended. Throws `session_store_unavailable`; then it goes on trying, and lets go
   * of the lock only when it is done.
   */
  async keep(
    stored: StoredSession,
    fresh: FreshTokens,
    lock: RefreshLock,
  ): Promise<Session | undefined> {
    try {
      return await this.#offer(stored, fresh, lock);
    } catch (error) {
      const { name } = fresh;
      const offers = this.#offerAgain(stored, fresh, lock).finally(() => this.#offers.delete(name));
      this.#offers.set(name, offers);
      throw error;
    }
  }

  /** Resolves when no tokens are on their way any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#offers.values());
  }

  async #offer(
    stored: StoredSession,
    fresh: FreshTokens,
    lock: RefreshLock,
  ): Promise<Session | undefined> {
    const { id } = stored.session;
    for (let current = stored; ;) {
      const written = await this.store.replaceTokens(current, fresh.change, lock);
      if (written) return written;
      // The answer to an earlier offer may have been lost, or the lock may have run out while the
      // store was away.
      const now = await this.store.readStored(id);
      if (!now || fresh.isStored(now.session)) return now?.session;
      if (!(await lock.regain())) await setTimeout(pause);
      current = now;
    }
  }

  async #offerAgain(stored: StoredSession, fresh: FreshTokens, lock: RefreshLock): Promise<void> {
    const deadline = performance.now() + patience;
    try {
      for (;;) {
        await setTimeout(pause);
        try {
          await this.#offer(stored, fresh, lock);
          return;
        } catch (error) {
          if (performance.now() > deadline) return this.onLoss(stored.session, error);
        }
      }
    } finally {
      await lock.release();
    }
  }
}
