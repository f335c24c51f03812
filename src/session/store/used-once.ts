import type { Clock } from '../../clock.ts';
import type { KeyValueStore } from './key-value-store.ts';
import { recordNameOf } from './sealed-records.ts';

/**
 * The clocks of replicas may differ by this, in milliseconds: what has expired on one may still be
 * valid on another.
 */
const clockTolerance = 60_000;

/** Remembers across replicas what may be used but once, until it has expired everywhere. */
export class UsedOnce {
  constructor(
    private readonly store: KeyValueStore,
    private readonly prefix: string,
    private readonly clock: Clock,
  ) {}

  /**
   * Does something in the name of `id` and says `true`, unless that was done before: then it says
   * `false`. Of several at the same time all may act and one is told `true`, so what is done must
   * be harmless to repeat. What throws was not done.
   */
  async use(id: string, expiresAt: number, act: () => Promise<unknown>): Promise<boolean> {
    const key = `${this.prefix}{${recordNameOf(id)}}`;
    if ((await this.store.get(key)) !== undefined) return false;
    await act();
    // Noted when it is done: a note made before could outlast an outage that kept it from being
    // done.
    const remaining = Math.max(0, expiresAt - this.clock());
    return this.store.create(key, '', remaining + clockTolerance);
  }
}
