import { BffError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { remember } from '../store/remember.ts';

/** Milliseconds. */
const firstPause = 1000;
const longestPause = 30_000;

/** Enough for the sessions one process refreshes within the longest pause. */
const mostPauses = 10_000;

interface Pause {
  readonly until: number;
  readonly length: number;
  readonly error: BffError;
}

/**
 * What has just failed, by name, and is left alone for a while: twice as long each time, so that an
 * outage is not made worse by everybody who waits for its end.
 */
export class Backoff {
  readonly #byName = new Map<string, Pause>();

  constructor(private readonly clock: Clock) {}

  /**
   * The failure a pause stands for; its `Retry-After` is what is left of it. Absent: there is none
   * now.
   */
  at(name: string): BffError | undefined {
    const pause = this.#byName.get(name);
    const left = pause ? pause.until - this.clock() : 0;
    if (!pause || left <= 0) return undefined;
    const { code } = pause.error;
    // A refusal has no end that anybody knows.
    const isOutage = code === 'provider_unavailable';
    const headers = isOutage && { headers: { 'Retry-After': String(Math.ceil(left / 1000)) } };
    return new BffError(code, { cause: pause.error, ...headers });
  }

  /** Whether its last try failed, so that the next one is to be a single one. */
  hasFailed(name: string): boolean {
    return this.#byName.has(name);
  }

  /**
   * Begins the next pause, twice as long as the last one and no shorter than asked for, in seconds.
   * A failure during a pause belongs to the outage that it began with and changes nothing.
   */
  begin(name: string, error: BffError, atLeast = 0): void {
    if (this.at(name)) return;
    const before = this.#byName.get(name);
    const length = Math.min(before ? before.length * 2 : firstPause, longestPause);
    const until = this.clock() + Math.max(length, atLeast * 1000);
    remember(this.#byName, name, { until, length, error }, mostPauses);
  }

  /** It has worked: its next failure is a first one again. */
  end(name: string): void {
    this.#byName.delete(name);
  }
}
