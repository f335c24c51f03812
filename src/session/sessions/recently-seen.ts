import type { Clock } from '../../clock.ts';
import { remember } from '../store/remember.ts';

/**
 * The maximum number of sessions. Enough for those that one process serves in an interval. Evicting
 * an entry early costs one more renewal.
 */
const maxRemembered = 100_000;

/** Remembers when sessions were last seen, so that not every request renews the idle time. */
export class RecentlySeen {
  readonly #seenAt = new Map<string, number>();

  /** `interval` is how long a session counts as recently seen, in milliseconds. */
  constructor(
    private readonly interval: number,
    private readonly clock: Clock,
  ) {}

  /** Returns when the session was last seen, in epoch milliseconds. `undefined` if not recently. */
  lastSeen(id: string): number | undefined {
    const seenAt = this.#seenAt.get(id);
    return seenAt !== undefined && this.clock() - seenAt < this.interval ? seenAt : undefined;
  }

  record(id: string, at: number): void {
    remember(this.#seenAt, id, at, maxRemembered);
  }
}
