import { BffError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { remember } from '../store/remember.ts';

/** The first and the longest backoff, in milliseconds. */
const initialDelay = 1000;
const maxDelay = 30_000;

/**
 * The maximum number of names. Enough for the sessions that one process refreshes within the
 * longest backoff.
 */
const maxTracked = 10_000;

/** One backoff. */
interface Period {
  readonly until: number;
  readonly length: number;
  readonly error: BffError;
}

/**
 * Tracks failed operations by name. Each further failure doubles the time until the next attempt,
 * so that retries do not worsen an outage.
 */
export class Backoff {
  readonly #byName = new Map<string, Period>();

  constructor(private readonly clock: Clock) {}

  /**
   * Returns the failure that started the current backoff, with the remaining time as `Retry-After`
   * if it is an outage. `undefined` if an attempt may be made.
   */
  failureOf(name: string): BffError | undefined {
    const period = this.#byName.get(name);
    const left = period ? period.until - this.clock() : 0;
    if (!period || left <= 0) return undefined;
    const { code } = period.error;
    // The end of a refusal is unknown, so it gets no `Retry-After`.
    const isOutage = code === 'provider_unavailable';
    const headers = isOutage && { headers: { 'Retry-After': String(Math.ceil(left / 1000)) } };
    return new BffError(code, { cause: period.error, ...headers });
  }

  /** Whether the last attempt failed. */
  hasFailed(name: string): boolean {
    return this.#byName.has(name);
  }

  /**
   * Begins the next backoff: twice as long as the last one, up to 30 seconds, but at least
   * `atLeast` seconds. A failure during a backoff belongs to the same outage and changes nothing.
   */
  begin(name: string, error: BffError, atLeast = 0): void {
    if (this.failureOf(name)) return;
    const before = this.#byName.get(name);
    const length = Math.min(before ? before.length * 2 : initialDelay, maxDelay);
    const until = this.clock() + Math.max(length, atLeast * 1000);
    remember(this.#byName, name, { until, length, error }, maxTracked);
  }

  /** Resets the backoff after a success. */
  end(name: string): void {
    this.#byName.delete(name);
  }
}
