/** Milliseconds before the first retry. Each further one waits twice as long. */
const firstDelay = 2000;

/** The longest delay, in milliseconds. */
const longestDelay = 60_000;

/** Repeats something that fails, with growing delays, until it is reset. */
export class Retry {
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `work` is called after each delay. */
  constructor(private readonly work: () => void) {}

  /** Calls the work later. A call that is already planned is replaced. */
  plan(): void {
    clearTimeout(this.#timer);
    const delay = Math.min(longestDelay, firstDelay * 2 ** this.#failures);
    this.#failures += 1;
    // Many clients notice an outage at the same moment.
    this.#timer = setTimeout(this.work, delay * (1 + Math.random() / 4));
  }

  /** Forgets the planned call. */
  cancel(): void {
    clearTimeout(this.#timer);
  }

  /** Forgets the planned call and the failures so far. */
  reset(): void {
    this.cancel();
    this.#failures = 0;
  }
}
