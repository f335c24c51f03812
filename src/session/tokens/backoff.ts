import { BffError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { remember } from '../store/remember.ts';

/** The first and the longest backoff, in milliseconds. */
const firstPause = 1000;
const longestPause = 30_000;

/** Enough for the sessions that one process refreshes within the longest backoff. */
const mostPauses = 10_000;

interface Pause {
  readonly until: number;
  readonly length: number;
  readonly error: BffError;
}

/**
 * Tracks failed operations by name. Each further failure doubles the time until the next attempt,
 * so that retries do not worsen an outage.
 */
export class Backoff {
  readonly #byName = new Map<string, Pause>();

  constructor(private readonly clock: Clock) {}

  /**
   * Returns the failure that started the current backoff, with the remaining time as `Retry-After`
   * if it is an outage. `undefined` if an attempt may be made.
   */
  at(name: string): BffError | undefined {
    const pause = this.#byName.get(name);
    const left = pause ? pause.until - this.clock() : 0;
    if (!pause || left <= 0) return undefined;
    const { code } = pause.error;
    // It is unknown when a refusal ends.
    const isOutage = code === 'provider_unavailable';
    const headers = isOutage && { headers: { 'Retry-After': String(Math.ceil(left / 1000)) } };
    return new BffError(code, { cause: pause.error, ...headers });
  }

  /** Whether the last attempt failed, so that the next one must be a single trial. */
  hasFailed(name: string): boolean {
    return this.#byName.has(name);
  }

  /**
   * Begins the next backoff: twice as long as the last one, up to 30 seconds, but at least
   * `atLeast` seconds. A failure during a backoff belongs to the same outage and changes nothing.
   */
  begin(name: string, error: BffError, atLeast = 0): void {
    if (this.at(name)) return;
    const before = this.#byName.get(name);
    const length = Math.min(before ? before.length * 2 : firstPause, longestPause);
    const until = this.clock() + Math.max(length, atLeast * 1000);
    remember(this.#byName, name, { until, length, error }, mostPauses);
  }

  /** Resets the backoff after a success. */
  end(name: string): void {
    this.#byName.delete(name);
  }
}
