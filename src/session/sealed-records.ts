import { createHash } from 'node:crypto';
import type { Fence, KeyValueStore } from './key-value-store.ts';
import type { Sealing } from './sealing.ts';

/** A record as it was read: its text, and the stored value a later write must still find there. */
export interface SealedRecord {
  readonly text: string;
  readonly stored: string;
}

/**
 * Records of one kind, named by a secret. The store sees neither the secret, only a hash of it in the key, nor the text,
 * only what `Sealing` made of it: a dump of Redis opens no session and reads none.
 */
export class SealedRecords {
  constructor(
    private readonly store: KeyValueStore,
    private readonly sealing: Sealing,
    /** Begins every key, `bff:session:` for example. */
    private readonly prefix: string,
  ) {}

  async read(secret: string): Promise<SealedRecord | undefined> {
    const key = this.#key(secret);
    const stored = await this.store.get(key);
    const text = stored && this.sealing.open(stored, key);
    return stored && text ? { text, stored } : undefined;
  }

  /** `false` if there is such a record already. */
  async create(secret: string, text: string, ttlMilliseconds: number): Promise<boolean> {
    const key = this.#key(secret);
    return this.store.create(key, this.sealing.seal(text, key), ttlMilliseconds);
  }

  /** `false` if the record is gone or was written since it was read, or the fence does not hold; then nothing is written. */
  async replace(secret: string, read: SealedRecord, text: string, fence?: Fence): Promise<boolean> {
    const key = this.#key(secret);
    return this.store.replace(key, read.stored, this.sealing.seal(text, key), fence);
  }

  /** The name of a lock on the record, in the record's hash slot. */
  lockKey(secret: string): string {
    return `${this.#key(secret)}:refresh`;
  }

  /** Reads and removes in one step. */
  async take(secret: string): Promise<string | undefined> {
    const key = this.#key(secret);
    const stored = await this.store.take(key);
    return stored && this.sealing.open(stored, key);
  }

  async touch(secret: string, ttlMilliseconds: number): Promise<boolean> {
    return this.store.touch(this.#key(secret), ttlMilliseconds);
  }

  async timeToLive(secret: string): Promise<number | undefined> {
    return this.store.timeToLive(this.#key(secret));
  }

  async remove(secret: string): Promise<boolean> {
    return this.store.remove(this.#key(secret));
  }

  /**
   * The secrets have 256 random bits, so an unkeyed hash cannot be guessed back and outlives every key rotation. The braces
   * make it the hash tag of a Redis Cluster.
   */
  #key(secret: string): string {
    return `${this.prefix}{${createHash('sha256').update(secret).digest('base64url')}}`;
  }
}
