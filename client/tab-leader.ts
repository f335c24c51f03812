/**
 * Elects one of the tabs that use the same name, by a lock (Web Locks). A tab that closes or resigns
 * is followed by another. Every tab is elected where locks are missing or forbidden, or without a
 * name.
 */
export class TabLeader {
  #isLeading = false;
  /** The candidacy of this tab. */
  #waiting: AbortController | undefined;
  #release: () => void = () => {};

  /** `onChange` is called whenever this tab has been elected or replaced. */
  constructor(
    private readonly name: string | undefined,
    private readonly onChange: () => void,
  ) {}

  /** Whether this tab is the elected one. */
  get isLeading(): boolean {
    return this.#isLeading;
  }

  /**
   * Makes this tab a candidate. With `steal` it replaces the elected tab at once, which becomes a
   * candidate again.
   */
  stand(steal = false): void {
    this.#waiting?.abort();
    const waiting = (this.#waiting = new AbortController());
    const options = steal ? { steal } : { signal: waiting.signal };
    if (this.name && navigator.locks) void this.#request(this.name, waiting, options);
    else this.#lead(true);
  }

  /** Leaves the place to another tab. */
  resign(): void {
    this.#waiting?.abort();
    this.#waiting = undefined;
    this.#release();
    this.#lead(false);
  }

  async #request(name: string, waiting: AbortController, options: LockOptions): Promise<void> {
    let isHeld = false;
    try {
      await navigator.locks.request(name, options, () => {
        // It may have been granted at the moment in which it was given up.
        if (waiting !== this.#waiting) return undefined;
        isHeld = true;
        this.#lead(true);
        return new Promise<void>((resolve) => (this.#release = resolve));
      });
    } catch (error) {
      // Otherwise locks are forbidden here, in a sandbox for example.
      if ((error as Error).name !== 'AbortError') return this.#lead(true);
    }
    // Replaced by another tab, unless the lock was released, or requested again, by this one.
    if (!isHeld || waiting !== this.#waiting) return;
    this.#lead(false);
    this.stand();
  }

  #lead(isLeading: boolean): void {
    if (this.#isLeading === isLeading) return;
    this.#isLeading = isLeading;
    this.onChange();
  }
}
