import { createHash } from 'node:crypto';
import type { Fence, KeyValueStore } from './key-value-store.ts';
import type { Sealing } from './sealing.ts';

/** A record as read: its plain text, and the stored value that a later `replace` compares with. */
export interface SealedRecord {
  readonly text: string;
  readonly stored: string;
}

/**
 * Returns the name of the record for a secret. Secrets have 256 random bits, so an unkeyed hash
 * cannot be reversed by guessing, and it does not change when keys are rotated.
 */
export function recordNameOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/**
 * Called with the name of a record that may have changed. Without a name, any record may have
 * changed.
 */
export type RecordWatcher = (name?: string) => void;

/**
 * Stores records of one kind. The store holds neither the secret of a record, only a hash of it,
 * nor the plain text, only the sealed text. A copy of the database neither gives access to a
 * session nor reveals its content.
 */
export class SealedRecords {
  readonly #watchers: RecordWatcher[] = [];

  constructor(
    private readonly store: KeyValueStore,
    private readonly sealing: Sealing,
    /** The prefix of every key, for example `bff:session:`. */
    private readonly prefix: string,
  ) {}

  /** Reads a record. `undefined` if it does not exist or cannot be opened. */
  async read(name: string): Promise<SealedRecord | undefined> {
    const key = this.#key(name);
    return this.#open(await this.store.get(key), key);
  }

  /**
   * Reads a record and sets a new time to live, in milliseconds. `undefined` if it does not exist
   * or cannot be opened.
   */
  async readAndTouch(name: string, ttlMilliseconds: number): Promise<SealedRecord | undefined> {
    const key = this.#key(name);
    return this.#open(await this.store.getAndTouch(key, ttlMilliseconds), key);
  }

  /** Calls the watcher for every change of a record, by this process or another. */
  watch(watcher: RecordWatcher): void {
    this.#watchers.push(watcher);
    this.store.watch({
      changed: (key) => {
        const name = this.#nameIn(key);
        if (name !== undefined) watcher(name);
      },
      missedChanges: () => watcher(),
    });
  }

  /** The time by the store's clock, in epoch milliseconds. */
  async storeTime(): Promise<number> {
    return this.store.time();
  }

  /** Creates a record. Returns `false` if it exists already. */
  async create(name: string, text: string, ttlMilliseconds: number): Promise<boolean> {
    const key = this.#key(name);
    return this.store.create(key, this.sealing.seal(text, key), ttlMilliseconds);
  }

  /**
   * Replaces a record. Writes nothing and returns `false` if the record is gone, was written since
   * it was read, or the fence does not hold.
   */
  async replace(name: string, read: SealedRecord, text: string, fence?: Fence): Promise<boolean> {
    const key = this.#key(name);
    const sealed = this.sealing.seal(text, key);
    return this.#notifyingWatchers(name, this.store.replace(key, read.stored, sealed, fence));
  }

  /** Returns the key of a lock on a record or a part of it, in the record's hash slot. */
  lockKey(name: string, part?: string): string {
    return `${this.#key(name)}:refresh${part === undefined ? '' : `:${part}`}`;
  }

  /** Reads and removes a record atomically: of several concurrent callers, one gets the text. */
  async take(name: string): Promise<string | undefined> {
    const key = this.#key(name);
    const stored = await this.#notifyingWatchers(name, this.store.take(key));
    return stored && this.sealing.open(stored, key);
  }

  async touch(name: string, ttlMilliseconds: number): Promise<boolean> {
    return this.store.touch(this.#key(name), ttlMilliseconds);
  }

  async timeToLive(name: string): Promise<number | undefined> {
    return this.store.timeToLive(this.#key(name));
  }

  async remove(name: string): Promise<boolean> {
    return this.#notifyingWatchers(name, this.store.remove(this.#key(name)));
  }

  /**
   * Notifies the watchers even after an error: the change may be done although the response was
   * lost.
   */
  async #notifyingWatchers<T>(name: string, change: Promise<T>): Promise<T> {
    try {
      return await change;
    } finally {
      for (const watcher of this.#watchers) watcher(name);
    }
  }

  #open(stored: string | undefined, key: string): SealedRecord | undefined {
    const text = stored && this.sealing.open(stored, key);
    return stored && text ? { text, stored } : undefined;
  }

  /** The braces make the name the hash tag in a Redis Cluster. */
  #key(name: string): string {
    return `${this.prefix}{${name}}`;
  }

  /** `undefined` if the key is not that of a record, but of a lock for example. */
  #nameIn(key: string): string | undefined {
    const name = key.slice(this.prefix.length + 1, -1);
    return key === this.#key(name) ? name : undefined;
  }
}
