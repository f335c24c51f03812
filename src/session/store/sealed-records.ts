import { createHash } from 'node:crypto';
import type { Fence, KeyValueStore } from './key-value-store.ts';
import type { Sealing } from './sealing.ts';

/** A record as it was read: its text, and the stored value a later write must still find there. */
export interface SealedRecord {
  readonly text: string;
  readonly stored: string;
}

/**
 * The name of the record that belongs to a secret. Secrets have 256 random bits, so an unkeyed hash
 * cannot be guessed back, and outlives every key rotation.
 */
export function recordNameOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** Told the name of a record that may not be what was read before; without a name it may be any. */
export type RecordWatcher = (name?: string) => void;

/**
 * Records of one kind. The store sees neither the secret a record belongs to, only the name made of
 * it, nor the text, only what `Sealing` made of that: a dump of Redis opens no session and reads
 * none.
 */
export class SealedRecords {
  readonly #watchers: RecordWatcher[] = [];

  constructor(
    private readonly store: KeyValueStore,
    private readonly sealing: Sealing,
    /** Begins every key, `bff:session:` for example. */
    private readonly prefix: string,
  ) {}

  async read(name: string): Promise<SealedRecord | undefined> {
    const key = this.#key(name);
    return this.#opened(await this.store.get(key), key);
  }

  /** The same for a record that gets a new time to live. */
  async readAndTouch(name: string, ttlMilliseconds: number): Promise<SealedRecord | undefined> {
    const key = this.#key(name);
    return this.#opened(await this.store.getAndTouch(key, ttlMilliseconds), key);
  }

  /** Whoever changes a record, here or elsewhere. */
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

  /** `false` if there is such a record already. */
  async create(name: string, text: string, ttlMilliseconds: number): Promise<boolean> {
    const key = this.#key(name);
    return this.store.create(key, this.sealing.seal(text, key), ttlMilliseconds);
  }

  /**
   * `false` if the record is gone or was written since it was read, or the fence does not hold;
   * then nothing is written.
   */
  async replace(name: string, read: SealedRecord, text: string, fence?: Fence): Promise<boolean> {
    const key = this.#key(name);
    const sealed = this.sealing.seal(text, key);
    return this.#changing(name, this.store.replace(key, read.stored, sealed, fence));
  }

  /** The name of a lock on the record, or on a part of it, in the record's hash slot. */
  lockKey(name: string, part?: string): string {
    return `${this.#key(name)}:refresh${part === undefined ? '' : `:${part}`}`;
  }

  /** Reads and removes in one step. */
  async take(name: string): Promise<string | undefined> {
    const key = this.#key(name);
    const stored = await this.#changing(name, this.store.take(key));
    return stored && this.sealing.open(stored, key);
  }

  async touch(name: string, ttlMilliseconds: number): Promise<boolean> {
    return this.store.touch(this.#key(name), ttlMilliseconds);
  }

  async timeToLive(name: string): Promise<number | undefined> {
    return this.store.timeToLive(this.#key(name));
  }

  async remove(name: string): Promise<boolean> {
    return this.#changing(name, this.store.remove(this.#key(name)));
  }

  /** However it ends: what was sent may be done although the answer was lost. */
  async #changing<T>(name: string, change: Promise<T>): Promise<T> {
    try {
      return await change;
    } finally {
      for (const watcher of this.#watchers) watcher(name);
    }
  }

  #opened(stored: string | undefined, key: string): SealedRecord | undefined {
    const text = stored && this.sealing.open(stored, key);
    return stored && text ? { text, stored } : undefined;
  }

  /** The braces make the name the hash tag of a Redis Cluster. */
  #key(name: string): string {
    return `${this.prefix}{${name}}`;
  }

  /** Absent: the key is of something else, a lock for example. */
  #nameIn(key: string): string | undefined {
    const name = key.slice(this.prefix.length + 1, -1);
    return key === this.#key(name) ? name : undefined;
  }
}
