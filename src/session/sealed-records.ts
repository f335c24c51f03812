import { createHash } from 'node:crypto';
import type { Fence, KeyValueStore } from './key-value-store.ts';
import type { Sealing } from './sealing.ts';

/** A record as it was read: its text, and the stored value a later write must still find there. */
export interface SealedRecord {
  readonly text: string;
  readonly stored: string;
}

/**
 * The name of the record that belongs to a secret. Secrets have 256 random bits, so an unkeyed hash cannot be guessed
 * back, and outlives every key rotation.
 */
export function recordNameOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/**
 * Records of one kind. The store sees neither the secret a record belongs to, only the name made of it, nor the text, only
 * what `Sealing` made of that: a dump of Redis opens no session and reads none.
 */
export class SealedRecords {
  constructor(
    private readonly store: KeyValueStore,
    private readonly sealing: Sealing,
    /** Begins every key, `bff:session:` for example. */
    private readonly prefix: string,
  ) {}

  async read(name: string): Promise<SealedRecord | undefined> {
    const key = this.#key(name);
    const stored = await this.store.get(key);
    const text = stored && this.sealing.open(stored, key);
    return stored && text ? { text, stored } : undefined;
  }

  /** `false` if there is such a record already. */
  async create(name: string, text: string, ttlMilliseconds: number): Promise<boolean> {
    const key = this.#key(name);
    return this.store.create(key, this.sealing.seal(text, key), ttlMilliseconds);
  }

  /** `false` if the record is gone or was written since it was read, or the fence does not hold; then nothing is written. */
  async replace(name: string, read: SealedRecord, text: string, fence?: Fence): Promise<boolean> {
    const key = this.#key(name);
    return this.store.replace(key, read.stored, this.sealing.seal(text, key), fence);
  }

  /** The name of a lock on the record, in the record's hash slot. */
  lockKey(name: string): string {
    return `${this.#key(name)}:refresh`;
  }

  /** Reads and removes in one step. */
  async take(name: string): Promise<string | undefined> {
    const key = this.#key(name);
    const stored = await this.store.take(key);
    return stored && this.sealing.open(stored, key);
  }

  async touch(name: string, ttlMilliseconds: number): Promise<boolean> {
    return this.store.touch(this.#key(name), ttlMilliseconds);
  }

  async timeToLive(name: string): Promise<number | undefined> {
    return this.store.timeToLive(this.#key(name));
  }

  async remove(name: string): Promise<boolean> {
    return this.store.remove(this.#key(name));
  }

  /** The braces make the name the hash tag of a Redis Cluster. */
  #key(name: string): string {
    return `${this.prefix}{${name}}`;
  }
}
