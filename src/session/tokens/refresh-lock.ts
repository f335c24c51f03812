import type { KeyValueStore } from '../store/key-value-store.ts';
import { newSecret } from '../sessions/session.ts';

/**
 * How long the lock outlives a crashed holder, in milliseconds. A live holder renews it three times
 * in that period.
 */
const lockLifetime = 3000;

/** The interval at which a replica checks for the result of the lock holder, in milliseconds. */
export const pollInterval = 25;

/**
 * A lock on the refresh token of one session, held by one replica at a time. It is renewed until
 * released, and expires if the holder's process dies.
 */
export class RefreshLock {
  readonly #renewal: NodeJS.Timeout;

  private constructor(
    private readonly store: KeyValueStore,
    readonly key: string,
    /** Fences the holder's write: a holder that has lost the lock cannot write. */
    readonly value: string,
  ) {
    // The next renewal makes up for a failed one. If the lock is lost, the fence prevents a write.
    const renew = () => void store.extend(key, value, lockLifetime).catch(() => false);
    this.#renewal = setInterval(renew, lockLifetime / 3).unref();
  }

  /** Acquires the lock. Returns `undefined` if another holder has it. */
  static async acquire(store: KeyValueStore, key: string): Promise<RefreshLock | undefined> {
    const value = newSecret();
    const isOurs = await store.create(key, value, lockLifetime);
    return isOurs ? new RefreshLock(store, key, value) : undefined;
  }

  /**
   * Renews the lock or acquires it again if it has expired. Returns `false` if another holder has
   * it.
   */
  async regain(): Promise<boolean> {
    const { store, key, value } = this;
    return (
      (await store.extend(key, value, lockLifetime)) ||
      (await store.create(key, value, lockLifetime))
    );
  }

  /** Releases the lock. Never rejects: if the release fails, the lock expires. */
  async release(): Promise<void> {
    clearInterval(this.#renewal);
    await this.store.removeIf(this.key, this.value).catch(() => false);
  }
}
