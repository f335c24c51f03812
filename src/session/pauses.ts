import type { BffError } from '../errors.ts';
import type { Clock } from './clock.ts';

/** Milliseconds. */
const firstPause = 1000;
const longestPause = 30_000;

/** Enough for the sessions one process refreshes within the longest pause of an outage. */
const maxPauses = 10_000;

interface Pause {
  readonly until: number;
  readonly length: number;
  readonly error: BffError;
}

/**
 * Which sessions' provider has just failed them. It is left alone for a while, twice as long each time, so that an outage
 * is not made worse by everybody who waits for its end.
 */
export class Pauses {
  readonly #bySession = new Map<string, Pause>();

  constructor(private readonly clock: Clock) {}

  /** The failure a pause stands for. Absent: there is none now. */
  at(session: string): BffError | undefined {
    const pause = this.#bySession.get(session);
    return pause && pause.until > this.clock() ? pause.error : undefined;
  }

  /** Begins the next pause, twice as long as the last one. */
  begin(session: string, error: BffError): void {
    const before = this.#bySession.get(session);
    const length = Math.min(before ? before.length * 2 : firstPause, longestPause);
    this.#bySession.delete(session);
    this.#bySession.set(session, { until: this.clock() + length, length, error });
    const [oldest] = this.#bySession.keys();
    if (this.#bySession.size > maxPauses && oldest) this.#bySession.delete(oldest);
  }

  /** The provider has answered: its next failure is a first one again. */
  end(session: string): void {
    this.#bySession.delete(session);
  }
}
