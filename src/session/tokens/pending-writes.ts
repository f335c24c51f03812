import { setTimeout } from 'node:timers/promises';
import type { RefreshLock } from './refresh-lock.ts';
import type { Change, SessionStore, StoredSession } from '../sessions/session-store.ts';
import type { Session } from '../sessions/session.ts';

/** How long a write is retried, in milliseconds. A failover of Redis takes less. */
const retryPeriod = 20_000;

/** The interval between two attempts, in milliseconds. */
const retryDelay = 100;

/**
 * Called when tokens could not be stored in time. The user must sign in again, because the previous
 * refresh token is spent.
 */
export type LossListener = (session: Session, cause: unknown) => void;

/** A token response that is to be stored. */
export interface FreshTokens {
  /** Identifies this pending write. */
  readonly name: string;
  readonly change: Change;
  /** Whether a session already has these tokens, or newer ones of another request. */
  readonly isStored: (session: Session) => boolean;
}

/**
 * Stores fresh tokens in their session. A write that fails is retried, because the previous refresh
 * token is spent.
 */
export class PendingWrites {
  readonly #pending = new Map<string, Promise<unknown>>();

  constructor(
    private readonly store: SessionStore,
    private readonly onLoss: LossListener,
  ) {}

  /** Whether a write of this name is pending: the stored tokens are then spent. */
  hasPendingWrite(name: string): boolean {
    return this.#pending.has(name);
  }

  /**
   * Stores the tokens and returns the session with them, or with those that another request stored.
   * `undefined` if the session has ended. Throws `session_store_unavailable`; then it retries in
   * the background for 20 seconds and holds the lock until then.
   */
  async keep(
    stored: StoredSession,
    fresh: FreshTokens,
    lock: RefreshLock,
  ): Promise<Session | undefined> {
    try {
      return await this.#write(stored, fresh, lock);
    } catch (error) {
      const { name } = fresh;
      const retries = this.#retry(stored, fresh, lock).finally(() => this.#pending.delete(name));
      this.#pending.set(name, retries);
      throw error;
    }
  }

  /** Resolves when no write is pending. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending.values());
  }

  async #write(
    stored: StoredSession,
    fresh: FreshTokens,
    lock: RefreshLock,
  ): Promise<Session | undefined> {
    const { id } = stored.session;
    for (let current = stored; ;) {
      const written = await this.store.replaceTokens(current, fresh.change, lock);
      if (written) return written;
      // The response to an earlier attempt may have been lost, or the lock may have expired during
      // an outage.
      const now = await this.store.readStored(id);
      if (!now || fresh.isStored(now.session)) return now?.session;
      if (!(await lock.regain())) await setTimeout(retryDelay);
      current = now;
    }
  }

  async #retry(stored: StoredSession, fresh: FreshTokens, lock: RefreshLock): Promise<void> {
    const deadline = performance.now() + retryPeriod;
    try {
      for (;;) {
        await setTimeout(retryDelay);
        try {
          await this.#write(stored, fresh, lock);
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
