/** Another key that must still have this value for a write to happen: a lock its holder may have lost. */
export interface Fence {
  readonly key: string;
  readonly value: string;
}

/**
 * The few things we need of Redis. `RedisKeyValueStore` is the real one; `MemoryKeyValueStore` serves development, the demo
 * and tests where no Redis can be had. Every method touches one key, or two of one hash tag, and throws
 * `session_store_unavailable` when the store cannot answer.
 */
export interface KeyValueStore {
  /** The value, or `undefined` if there is none (any more). */
  get(key: string): Promise<string | undefined>;
  /** Writes a key that does not exist yet; `false` if it does. */
  create(key: string, value: string, ttlMilliseconds: number): Promise<boolean>;
  /**
   * Writes a key whose value is still `expected`, keeping its time to live; `false` if it is gone or another, or if the
   * `fence` does not hold. Both keys must have the same hash tag.
   */
  replace(key: string, expected: string, value: string, fence?: Fence): Promise<boolean>;
  /** Reads and removes in one step: of many takers one gets the value. */
  take(key: string): Promise<string | undefined>;
  /** Gives an existing key a new time to live; `false` if it is gone. It never brings one back. */
  touch(key: string, ttlMilliseconds: number): Promise<boolean>;
  /** Milliseconds until the key ends, or `undefined` if there is no such key. */
  timeToLive(key: string): Promise<number | undefined>;
  /** Gives a key whose value is still `expected` a new time to live; `false` if it is gone or another. */
  extend(key: string, expected: string, ttlMilliseconds: number): Promise<boolean>;
  /** `false` if there was nothing to remove. */
  remove(key: string): Promise<boolean>;
  /** Removes a key whose value is still `expected`; `false` if it is gone or another. */
  removeIf(key: string, expected: string): Promise<boolean>;
  /** Answers when the store does. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
