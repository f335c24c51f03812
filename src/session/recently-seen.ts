import type { Clock } from './clock.ts';

/** Enough for the sessions one process serves within an interval; who is forgotten early is only seen once more. */
const mostRemembered = 100_000;

/** Which sessions were seen a moment ago, so that their idle time need not be renewed with every call. */
export class RecentlySeen {
  readonly #seenAt = new Map<string, number>();

  /** `interval`, in milliseconds, is how long a session counts as just seen. */
  constructor(
    private readonly interval: number,
    private readonly clock: Clock,
  ) {}

  /** Notes that a session is seen now. `false` if that is known already. */
  note(id: string): boolean {
    const now = this.clock();
    const before = this.#seenAt.get(id);
    if (before !== undefined && now - before < this.interval) return false;
    // Taken out first, so that it stands last: the map's order is that of the times.
    this.#seenAt.delete(id);
    this.#seenAt.set(id, now);
    this.#forgetOldest();
    return true;
  }

  /** As if the session had not been seen. */
  forget(id: string): void {
    this.#seenAt.delete(id);
  }

  #forgetOldest(): void {
    if (this.#seenAt.size <= mostRemembered) return;
    for (const id of this.#seenAt.keys()) return void this.#seenAt.delete(id);
  }
}
