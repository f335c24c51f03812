import type { KeyValueStore } from '../store/key-value-store.ts';
import { newSecret } from '../sessions/session.ts';

/**
 * A holder that crashed is missed for so long, in milliseconds. One that lives renews three times
 * in that time.
 */
const lockLifetime = 3000;

/**
 * The right to spend one session's refresh token, held by one replica at a time. It is renewed as
 * long as its holder works, and runs out by itself when the holder's process dies.
 */
export class RefreshLock {
  readonly #renewal: NodeJS.Timeout;

  private constructor(
    private readonly store: KeyValueStore,
    readonly key: string,
    /** Fences the holder's write: who has lost the lock cannot write any more. */
    readonly value: string,
  ) {
    // A renewal that fails is made up for by the next, or the lock is lost and the fence holds.
    const renew = () => void store.extend(key, value, lockLifetime).catch(() => false);
    this.#renewal = setInterval(renew, lockLifetime / 3).unref();
  }

  /** The lock, or `undefined` while somebody holds it. */
  static async acquire(store: KeyValueStore, key: string): Promise<RefreshLock | undefined> {
    const value = newSecret();
    const isOurs = await store.create(key, value, lockLifetime);
    return isOurs ? new RefreshLock(store, key, value) : undefined;
  }

  /** Takes the lock again if it ran out meanwhile; `false` if somebody else has it. */
  async regain(): Promise<boolean> {
    const { store, key, value } = this;
    return (
      (await store.extend(key, value, lockLifetime)) ||
      (await store.create(key, value, lockLifetime))
    );
  }

  /** Lets the next one in. A lock that cannot be given back runs out. */
  async release(): Promise<void> {
    clearInterval(this.#renewal);
    await this.store.removeIf(this.key, this.value).catch(() => false);
  }
}
