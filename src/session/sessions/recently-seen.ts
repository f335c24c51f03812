import type { Clock } from '../../clock.ts';
import { remember } from '../store/remember.ts';

/**
 * Enough for the sessions one process serves within an interval; who is forgotten early is only
 * seen once more.
 */
const mostRemembered = 100_000;

/** When sessions were seen lately, so that their idle time need not be renewed with every call. */
export class RecentlySeen {
  readonly #seenAt = new Map<string, number>();

  /** `interval`, in milliseconds, is how long a session counts as just seen. */
  constructor(
    private readonly interval: number,
    private readonly clock: Clock,
  ) {}

  /** When the session was last noted, in epoch milliseconds. Absent: not lately. */
  at(id: string): number | undefined {
    const seenAt = this.#seenAt.get(id);
    return seenAt !== undefined && this.clock() - seenAt < this.interval ? seenAt : undefined;
  }

  note(id: string, at: number): void {
    remember(this.#seenAt, id, at, mostRemembered);
  }
}
