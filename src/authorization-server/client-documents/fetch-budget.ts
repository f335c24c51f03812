import type { Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';

/** The most fetches at one moment, in a minute, and in a minute for one requesting address. */
const most = { atOnce: 5, perMinute: 60, perMinuteOfAddress: 20 };

const minute = 60_000;

/**
 * Limits how many documents are fetched in this process: anonymous requests cause the fetches. One
 * requesting address gets a third of them, so that it cannot lock out the clients of all others.
 */
export class FetchBudget {
  #running = 0;
  #recent: { readonly at: number; readonly address: string }[] = [];

  constructor(private readonly clock: Clock) {}

  /** Runs a fetch. Throws `rate_limited` at once if the limits are reached. */
  async run<T>(address: string, fetch: () => Promise<T>): Promise<T> {
    const now = this.clock();
    this.#recent = this.#recent.filter(({ at }) => now - at < minute);
    const ofAddress = this.#recent.filter((one) => one.address === address).length;
    const isExceeded =
      this.#running >= most.atOnce ||
      this.#recent.length >= most.perMinute ||
      ofAddress >= most.perMinuteOfAddress;
    if (isExceeded) {
      const cause = new Error('too many client metadata documents are fetched');
      throw new BffError('rate_limited', { cause });
    }
    this.#recent.push({ at: now, address });
    this.#running += 1;
    try {
      return await fetch();
    } finally {
      this.#running -= 1;
    }
  }
}
