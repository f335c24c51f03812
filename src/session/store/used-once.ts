import type { Clock } from '../../clock.ts';
import type { KeyValueStore } from './key-value-store.ts';
import { recordNameOf } from './sealed-records.ts';

/**
 * The maximum clock difference between replicas, in milliseconds. What has expired on one may still
 * be valid on another.
 */
const clockTolerance = 60_000;

/** Remembers single-use ids across replicas until they have expired everywhere. */
export class UsedOnce {
  constructor(
    private readonly store: KeyValueStore,
    private readonly prefix: string,
    private readonly clock: Clock,
  ) {}

  /**
   * Calls `act` and returns `true`, or returns `false` if `id` was used before. Concurrent calls
   * may all run `act`, but only one returns `true`, so `act` must be harmless to repeat. If it
   * throws, the id stays unused. `expiresAt` is in epoch milliseconds.
   */
  async use(id: string, expiresAt: number, act: () => Promise<unknown>): Promise<boolean> {
    const key = `${this.prefix}{${recordNameOf(id)}}`;
    if ((await this.store.get(key)) !== undefined) return false;
    await act();
    // Recorded after `act`: if `act` failed in an outage, an earlier record would prevent a second
    // try.
    const remaining = Math.max(0, expiresAt - this.clock());
    return this.store.create(key, '', remaining + clockTolerance);
  }
}
