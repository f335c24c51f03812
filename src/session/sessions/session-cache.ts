import type { Clock } from '../../clock.ts';
import { RecentlySeen } from './recently-seen.ts';
import type { SessionInUse, SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** The default capacity, in bytes of records. */
const defaultCapacity = 64 * 1024 * 1024;

/**
 * While the cache is full, one in this many new sessions is admitted and evicts another. Admitting
 * all would evict each before it is used again.
 */
const admissionInterval = 8;

/** The longest interval between two renewals of the idle time, in milliseconds. */
const maxRenewalInterval = 60_000;

interface Entry extends SessionInUse {
  /** When the next use must be written to the store, in epoch milliseconds. */
  readonly renewAt: number;
  /** Whether it was used since it was last considered for eviction. */
  isUsed: boolean;
}

/**
 * Caches unsealed and parsed sessions, so that most requests need no store access. A session that
 * changes, here or on another replica, is removed. If change events may be lost, all are removed.
 * The size is limited: some new sessions replace one that was not used since it was last considered
 * for eviction.
 */
export class SessionCache {
  /** The next candidate for eviction comes first. */
  readonly #entries = new Map<string, Entry>();
  /** Store reads in progress whose results may be cached: the session has not changed since. */
  readonly #readings = new Map<string, Promise<Session | undefined>>();
  readonly #recentlySeen: RecentlySeen;
  readonly #interval: number;
  #size = 0;
  #refused = 0;
  #hits = 0;
  #misses = 0;

  /** `idle` is in milliseconds, `capacity` in bytes (default: 64 MiB). */
  constructor(
    private readonly store: SessionStore,
    idle: number,
    private readonly clock: Clock,
    private readonly capacity = defaultCapacity,
  ) {
    this.#interval = Math.min(idle / 60, maxRenewalInterval);
    this.#recentlySeen = new RecentlySeen(this.#interval, clock);
    store.watch((id) => (id === undefined ? this.#forgetAll() : this.#forget(id)));
  }

  /**
   * Returns a session and renews its idle time if it is due. `undefined` if it has ended. Returns a
   * promise only if the store must be read; it rejects with `session_store_unavailable`.
   */
  use(id: string): Session | undefined | Promise<Session | undefined> {
    const entry = this.#current(id);
    if (!entry) {
      this.#misses += 1;
      return this.#read(id);
    }
    // In the background: a session that has ended is removed, and the next request finds out.
    if (entry.renewAt <= this.clock()) this.#read(id).catch(() => undefined);
    return this.#hit(entry);
  }

  /** Returns a session like `use`, but does not renew its idle time. */
  peek(id: string): Session | undefined | Promise<Session | undefined> {
    return this.#current(id)?.session ?? this.store.read(id);
  }

  /** The number and bytes of cached sessions, and the hits and misses since the start. */
  get figures() {
    const sessions = this.#entries.size;
    return { sessions, bytes: this.#size, hits: this.#hits, misses: this.#misses };
  }

  /** `undefined` if it is not cached or its idle time is over. */
  #current(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry && entry.idleUntil > this.clock() ? entry : undefined;
  }

  #hit(entry: Entry): Session {
    this.#hits += 1;
    entry.isUsed = true;
    return entry.session;
  }

  #read(id: string): Promise<Session | undefined> {
    const running = this.#readings.get(id);
    if (running) return running;
    const reading = this.#load(id).then(
      (found) => {
        if (this.#endReading(id, reading)) this.#remember(id, found);
        return found?.session;
      },
      (error: unknown) => {
        this.#endReading(id, reading);
        throw error;
      },
    );
    this.#readings.set(id, reading);
    return reading;
  }

  /** Only reads a session that was seen recently: a write would evict it on every other replica. */
  async #load(id: string): Promise<SessionInUse | undefined> {
    const usedAt = this.#recentlySeen.lastSeen(id);
    if (usedAt !== undefined) return this.store.readInUse(id, usedAt);
    const now = this.clock();
    const found = await this.store.use(id);
    if (found) this.#recentlySeen.record(id, now);
    return found;
  }

  /** Checks that the session did not change during the read, and ends the tracking of that read. */
  #endReading(id: string, reading: Promise<unknown>): boolean {
    return this.#readings.get(id) === reading && this.#readings.delete(id);
  }

  #remember(id: string, found: SessionInUse | undefined): void {
    this.#remove(id);
    if (!found || !this.#makeRoom(found.size)) return;
    const seenAt = this.#recentlySeen.lastSeen(id) ?? this.clock();
    this.#entries.set(id, { ...found, renewAt: seenAt + this.#interval, isUsed: false });
    this.#size += found.size;
  }

  #makeRoom(size: number): boolean {
    if (this.#size + size <= this.capacity) return true;
    this.#refused += 1;
    if (this.#refused % admissionInterval !== 0) return false;
    const now = this.clock();
    for (const [id, entry] of this.#entries) {
      if (this.#size + size <= this.capacity) break;
      this.#remove(id);
      if (!entry.isUsed || entry.idleUntil <= now) continue;
      this.#entries.set(id, { ...entry, isUsed: false });
      this.#size += entry.size;
      break;
    }
    return this.#size + size <= this.capacity;
  }

  #remove(id: string): void {
    this.#size -= this.#entries.get(id)?.size ?? 0;
    this.#entries.delete(id);
  }

  #forget(id: string): void {
    this.#remove(id);
    this.#readings.delete(id);
  }

  #forgetAll(): void {
    this.#entries.clear();
    this.#readings.clear();
    this.#size = 0;
  }
}
