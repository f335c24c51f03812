/**
 * Another key that must still have this value for a write to happen: a lock its holder may have
 * lost.
 */
export interface Fence {
  readonly key: string;
  readonly value: string;
}

/** A member of a list, and when it was last seen, in epoch milliseconds. */
export interface ListEntry {
  readonly member: string;
  readonly at: number;
}

/** Selects a page of a list. */
export interface Portion {
  /**
   * The last entry of the previous page, which may have been removed. Omit it to read from the
   * start.
   */
  readonly after?: ListEntry | undefined;
  /** The maximum number of entries. */
  readonly atMost: number;
}

/** When a member is seen. All in milliseconds, `ttl` as a duration, the others since the epoch. */
export interface SeenAt {
  readonly at: number;
  /** Members not seen since then have ended by themselves. */
  readonly staleBefore: number;
  /** How long the list lives on from now, at least. */
  readonly ttl: number;
}

/** Told what others do to keys that are remembered here. */
export interface KeyWatcher {
  /** Somebody else has written, extended or removed the key, or its time is over. */
  changed(key: string): void;
  /** Something may have been missed: any key may have changed. */
  missedChanges(): void;
}

/**
 * The few things we need of Redis. `RedisKeyValueStore` is the real one; `MemoryKeyValueStore`
 * serves development, the demo and tests where no Redis can be had. Every method touches one key,
 * or several of one hash tag, and throws `session_store_unavailable` when the store cannot answer.
 */
export interface KeyValueStore {
  /** The value, or `undefined` if there is none (any more). */
  get(key: string): Promise<string | undefined>;
  /** Writes a key that does not exist yet; `false` if it does. */
  create(key: string, value: string, ttlMilliseconds: number): Promise<boolean>;
  /**
   * Writes a key whose value is still `expected`, keeping its time to live; `false` if it is gone
   * or another, or if the `fence` does not hold. Both keys must have the same hash tag.
   */
  replace(key: string, expected: string, value: string, fence?: Fence): Promise<boolean>;
  /** Reads and removes in one step: of many takers one gets the value. */
  take(key: string): Promise<string | undefined>;
  /** Gives an existing key a new time to live; `false` if it is gone. It never brings one back. */
  touch(key: string, ttlMilliseconds: number): Promise<boolean>;
  /** The value of a key, which gets a new time to live. */
  getAndTouch(key: string, ttlMilliseconds: number): Promise<string | undefined>;
  /** Milliseconds until the key ends, or `undefined` if there is no such key. */
  timeToLive(key: string): Promise<number | undefined>;
  /**
   * Gives a key whose value is still `expected` a new time to live; `false` if it is gone or
   * another.
   */
  extend(key: string, expected: string, ttlMilliseconds: number): Promise<boolean>;
  /** `false` if there was nothing to remove. */
  remove(key: string): Promise<boolean>;
  /** Removes a key whose value is still `expected`; `false` if it is gone or another. */
  removeIf(key: string, expected: string): Promise<boolean>;
  /**
   * The time by the store's clock, in epoch milliseconds. Clocks of replicas may differ, so times
   * at which lists are closed, and times compared with them, come from here.
   */
  time(): Promise<number>;
  /**
   * Adds or renews a member of a list and removes stale members. Writes nothing and returns `false`
   * if the list was closed at or after `since`, which is a `time` of the store.
   */
  addMember(
    list: string,
    member: string,
    times: SeenAt & { readonly since: number },
  ): Promise<boolean>;
  /**
   * Whether a list has this member and was not closed at or after `since`, a `time` of the store.
   */
  hasMember(list: string, member: string, since: number): Promise<boolean>;
  /** Renews a member; one that was struck off stays so. */
  renewMember(list: string, member: string, times: SeenAt): Promise<void>;
  removeMember(list: string, member: string): Promise<void>;
  /**
   * A page of the members seen since `staleBefore` (epoch milliseconds), least recently seen first.
   * Consecutive pages include every member that stays in the list; a member that is renewed in
   * between may appear twice.
   */
  members(list: string, staleBefore: number, portion: Portion): Promise<ListEntry[]>;
  /** The number of members seen since `staleBefore`, in epoch milliseconds. */
  countEnlisted(list: string, staleBefore: number): Promise<number>;
  /**
   * Records that the list was closed `at` a `time` of the store, for `ttl` milliseconds. Its
   * members stay.
   */
  revokeBefore(list: string, at: number, ttl: number): Promise<void>;
  /**
   * Atomically takes one of `most` places for `ttl` milliseconds by the store's clock. Returns
   * `false` if all are taken. Expired places are free again. All members of one key must have the
   * same `ttl`.
   */
  takePlace(places: string, member: string, most: number, ttl: number): Promise<boolean>;
  /** Frees the place of a member before it expires. Does nothing if the member has none. */
  freePlace(places: string, member: string): Promise<void>;
  /** Tells of the sessions' keys. What is changed through this store itself is not told. */
  watch(watcher: KeyWatcher): void;
  /** Answers when the store does. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
