import type { Clock } from '../../clock.ts';
import { remember } from '../store/remember.ts';

/**
 * Enough for the sessions that one process serves in an interval. Evicting an entry early costs one
 * more renewal.
 */
const mostRemembered = 100_000;

/** Remembers when sessions were last seen, so that not every request renews the idle time. */
export class RecentlySeen {
  readonly #seenAt = new Map<string, number>();

  /** `interval` is how long a session counts as recently seen, in milliseconds. */
  constructor(
    private readonly interval: number,
    private readonly clock: Clock,
  ) {}

  /** When the session was last seen, in epoch milliseconds. `undefined` if not recently. */
  at(id: string): number | undefined {
    const seenAt = this.#seenAt.get(id);
    return seenAt !== undefined && this.clock() - seenAt < this.interval ? seenAt : undefined;
  }

  note(id: string, at: number): void {
    remember(this.#seenAt, id, at, mostRemembered);
  }
}
