/**
 * A condition for a write: this key must still have this value. Prevents writes by a process that
 * has lost its lock.
 */
export interface Fence {
  readonly key: string;
  readonly value: string;
}

/** A list member and the time it was last seen, in epoch milliseconds. */
export interface ListEntry {
  readonly member: string;
  readonly at: number;
}

/** Selects a page of a list of members. */
export interface PageRequest {
  /**
   * The last entry of the previous page, which may have been removed. Omit it to read from the
   * start.
   */
  readonly after?: ListEntry | undefined;
  /** The maximum number of entries. */
  readonly atMost: number;
}

/**
 * The times for adding or renewing a list member. `ttl` is a duration in milliseconds, the others
 * are epoch milliseconds.
 */
export interface MemberTimes {
  readonly at: number;
  /** Members not seen since then have expired. */
  readonly staleBefore: number;
  /** The minimum time to live of the list. */
  readonly ttl: number;
}

/** Receives changes that other processes make. */
export interface KeyWatcher {
  /** Another process wrote, extended or removed the key, or it expired. */
  changed(key: string): void;
  /** Events may have been lost, so any key may have changed. */
  missedChanges(): void;
}

/** Injects the `KeyValueStore`. */
export const KEY_VALUE_STORE = Symbol('key-value store');

/**
 * The store operations of the session room. `RedisKeyValueStore` is for production.
 * `MemoryKeyValueStore` serves development, the demo and tests without Redis. Every method uses one
 * key, or several with one hash tag, and throws `session_store_unavailable` if the store does not
 * respond.
 */
export interface KeyValueStore {
  /** Reads a key. Returns `undefined` if it does not exist or has expired. */
  get(key: string): Promise<string | undefined>;
  /** Writes a new key. Returns `false` if it exists already. */
  create(key: string, value: string, ttlMilliseconds: number): Promise<boolean>;
  /**
   * Writes a key whose value is still `expected` and keeps its time to live. Returns `false` if the
   * key is gone, its value differs, or the `fence` does not hold. Both keys must have the same hash
   * tag.
   */
  replace(key: string, expected: string, value: string, fence?: Fence): Promise<boolean>;
  /** Reads and removes a key atomically: of several concurrent callers, one gets the value. */
  take(key: string): Promise<string | undefined>;
  /**
   * Sets a new time to live on an existing key. Returns `false` if it is gone, and never restores
   * it.
   */
  touch(key: string, ttlMilliseconds: number): Promise<boolean>;
  /** Reads a key and sets a new time to live. `undefined` if the key does not exist. */
  getAndTouch(key: string, ttlMilliseconds: number): Promise<string | undefined>;
  /** Returns the milliseconds until a key expires, or `undefined` if it does not exist. */
  timeToLive(key: string): Promise<number | undefined>;
  /**
   * Sets a new time to live on a key whose value is still `expected`. Returns `false` if the key is
   * gone or its value differs.
   */
  extend(key: string, expected: string, ttlMilliseconds: number): Promise<boolean>;
  /** Removes a key. Returns `false` if it does not exist. */
  remove(key: string): Promise<boolean>;
  /**
   * Removes a key whose value is still `expected`. Returns `false` if it is gone or its value
   * differs.
   */
  removeIf(key: string, expected: string): Promise<boolean>;
  /**
   * Returns the time of the store's clock, in epoch milliseconds. Clocks of replicas may differ, so
   * revocation times and times compared with them come from here.
   */
  time(): Promise<number>;
  /**
   * Adds or renews a list member and removes stale members. Writes nothing and returns `false` if
   * members were revoked at or after `since`, a `time` of the store.
   */
  addMember(
    list: string,
    member: string,
    times: MemberTimes & { readonly since: number },
  ): Promise<boolean>;
  /**
   * Checks that a list has a member and that members were not revoked at or after `since`, a `time`
   * of the store.
   */
  hasMember(list: string, member: string, since: number): Promise<boolean>;
  /** Renews a member. Does not restore a removed one. */
  renewMember(list: string, member: string, times: MemberTimes): Promise<void>;
  removeMember(list: string, member: string): Promise<void>;
  /**
   * Returns a page of the members seen since `staleBefore` (epoch milliseconds), least recently
   * seen first. Consecutive pages include every member that stays in the list. A member that is
   * renewed in between may appear twice.
   */
  members(list: string, staleBefore: number, page: PageRequest): Promise<ListEntry[]>;
  /** Counts the members seen since `staleBefore`, in epoch milliseconds. */
  countMembers(list: string, staleBefore: number): Promise<number>;
  /**
   * Refuses members whose `since` is not after `at`, a `time` of the store. Applies for `ttl`
   * milliseconds. Existing members stay in the list.
   */
  revokeBefore(list: string, at: number, ttl: number): Promise<void>;
  /**
   * Atomically takes one of `most` slots for `ttl` milliseconds by the store's clock. Returns
   * `false` if all are taken. Expired slots are free again. All members of one key must have the
   * same `ttl`.
   */
  takeSlot(slots: string, member: string, most: number, ttl: number): Promise<boolean>;
  /** Frees the slot of a member before it expires. Does nothing if the member has none. */
  freeSlot(slots: string, member: string): Promise<void>;
  /**
   * Notifies the watcher of changes to session keys. Changes made through this store are omitted.
   */
  watch(watcher: KeyWatcher): void;
  /** Resolves if the store responds and accepts writes. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
