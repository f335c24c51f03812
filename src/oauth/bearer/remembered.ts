import { hash } from 'node:crypto';

interface Entry<Value> {
  readonly value: Value;
  /** Epoch milliseconds. */
  readonly until: number;
  readonly size: number;
}

/** The limits of a memory. Beyond them, the oldest values are forgotten. */
export interface MemoryLimits {
  readonly mostValues: number;
  /** The maximum sum of the sizes, in characters. */
  readonly largestSum: number;
}

/**
 * Returns the name under which something about a token is remembered: a hash, so that the memory
 * holds no tokens.
 */
export function nameOfToken(token: string): string {
  return hash('sha256', token, 'base64url');
}

/** Remembers values until their end, in a bounded amount of memory. */
export class Remembered<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  #sum = 0;

  constructor(
    private readonly limits: MemoryLimits,
    private readonly clock: () => number,
  ) {}

  /** Returns the value, `undefined` if there is none or it has ended. */
  get(name: string): Value | undefined {
    const entry = this.#entries.get(name);
    return entry && entry.until > this.clock() ? entry.value : undefined;
  }

  /** Whether there is a value for this name, even one that has ended. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /**
   * Remembers a value until this time, in epoch milliseconds. `size` is about its length in
   * characters.
   */
  set(name: string, value: Value, until: number, size: number): void {
    // Deleted first, so that the entry becomes the newest: a map keeps insertion order.
    this.delete(name);
    this.#entries.set(name, { value, until, size });
    this.#sum += size;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.limits.mostValues && this.#sum <= this.limits.largestSum)
        return;
      this.delete(oldest);
    }
  }

  delete(name: string): void {
    this.#sum -= this.#entries.get(name)?.size ?? 0;
    this.#entries.delete(name);
  }
}
