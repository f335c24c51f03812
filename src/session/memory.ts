import type { Clock } from './clock.ts';
import type { Fence, KeyValueStore } from './key-value-store.ts';

interface Entry {
  readonly value: string;
  readonly expiresAt: number;
}

/** Sweeping every so many writes keeps abandoned entries from piling up. */
const writesBetweenSweeps = 1000;

/** A store in this process alone, for development, the demo and tests: no second replica sees it and a restart empties it. */
export class MemoryKeyValueStore implements KeyValueStore {
  readonly #entries = new Map<string, Entry>();
  #writes = 0;

  constructor(private readonly clock: Clock = Date.now) {}

  async get(key: string): Promise<string | undefined> {
    return this.#living(key)?.value;
  }

  async create(key: string, value: string, ttlMilliseconds: number): Promise<boolean> {
    if (this.#living(key)) return false;
    this.#write(key, { value, expiresAt: this.clock() + ttlMilliseconds });
    return true;
  }

  async replace(key: string, expected: string, value: string, fence?: Fence): Promise<boolean> {
    const entry = this.#living(key);
    if (entry?.value !== expected) return false;
    if (fence && this.#living(fence.key)?.value !== fence.value) return false;
    this.#write(key, { value, expiresAt: entry.expiresAt });
    return true;
  }

  async take(key: string): Promise<string | undefined> {
    const value = this.#living(key)?.value;
    this.#entries.delete(key);
    return value;
  }

  async touch(key: string, ttlMilliseconds: number): Promise<boolean> {
    const entry = this.#living(key);
    if (!entry) return false;
    this.#write(key, { value: entry.value, expiresAt: this.clock() + ttlMilliseconds });
    return true;
  }

  async extend(key: string, expected: string, ttlMilliseconds: number): Promise<boolean> {
    return this.#living(key)?.value === expected && this.touch(key, ttlMilliseconds);
  }

  async timeToLive(key: string): Promise<number | undefined> {
    const entry = this.#living(key);
    return entry && entry.expiresAt - this.clock();
  }

  async remove(key: string): Promise<boolean> {
    const existed = this.#living(key) !== undefined;
    this.#entries.delete(key);
    return existed;
  }

  async removeIf(key: string, expected: string): Promise<boolean> {
    return this.#living(key)?.value === expected && this.#entries.delete(key);
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {
    this.#entries.clear();
  }

  #living(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.expiresAt > this.clock() ? entry : undefined;
  }

  #write(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#writes += 1;
    if (this.#writes % writesBetweenSweeps !== 0) return;
    for (const candidate of this.#entries.keys()) {
      if (!this.#living(candidate)) this.#entries.delete(candidate);
    }
  }
}
