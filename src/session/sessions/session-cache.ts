import type { Clock } from '../../clock.ts';
import { RecentlySeen } from './recently-seen.ts';
import type { SessionInUse, SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** How many bytes of records are remembered, if nothing else is said. */
const usualCapacity = 64 * 1024 * 1024;

/**
 * Of sessions for which there is no room, one in so many takes the place of another: were it each,
 * none would stay until it is asked for again.
 */
const newcomers = 8;

/** The idle time of a session in use is renewed at least this often, in milliseconds. */
const longestUnnoticed = 60_000;

interface Entry extends SessionInUse {
  /** When the next use has to be noted in the store. */
  readonly renewAt: number;
  /** Since its turn to make room came last. */
  isUsed: boolean;
}

/**
 * Sessions as they were last read, parsed and unsealed, so that a call in the steady state asks
 * nobody. When a session is changed, here or elsewhere, it is forgotten; when news may have been
 * missed, all are. What is remembered is bounded: now and then a newcomer takes the place of one
 * that nobody used since its turn came last.
 */
export class SessionCache {
  /** Whose turn it is to make room stands first. */
  readonly #entries = new Map<string, Entry>();
  /** Questions to the store whose answers may be remembered. */
  readonly #readings = new Map<string, Promise<Session | undefined>>();
  readonly #recentlySeen: RecentlySeen;
  readonly #interval: number;
  #size = 0;
  #turnedAway = 0;
  #hits = 0;
  #misses = 0;

  /** `idle` in milliseconds, `capacity` in bytes. */
  constructor(
    private readonly store: SessionStore,
    idle: number,
    private readonly clock: Clock,
    private readonly capacity = usualCapacity,
  ) {
    this.#interval = Math.min(idle / 60, longestUnnoticed);
    this.#recentlySeen = new RecentlySeen(this.#interval, clock);
    store.watch((id) => (id === undefined ? this.#forgetAll() : this.#forget(id)));
  }

  /**
   * The session of this id, which is in use, if nobody has to be asked about it. Absent: the store
   * has to, if only to note that it is in use.
   */
  known(id: string): Session | undefined {
    const entry = this.#current(id);
    return entry && entry.renewAt > this.clock() ? this.#hit(entry) : undefined;
  }

  /**
   * The session of this id, which is in use. A promise only when the store is asked; it rejects
   * with `session_store_unavailable`. Absent: it is over.
   */
  use(id: string): Session | undefined | Promise<Session | undefined> {
    const entry = this.#current(id);
    if (!entry) {
      this.#misses += 1;
      return this.#read(id);
    }
    // Nobody waits for it: a session that has ended is forgotten, and the next call finds out.
    if (entry.renewAt <= this.clock()) this.#read(id).catch(() => undefined);
    return this.#hit(entry);
  }

  /** The same, but no use of the session. */
  peek(id: string): Session | undefined | Promise<Session | undefined> {
    return this.#current(id)?.session ?? this.store.read(id);
  }

  /**
   * How much is remembered, in sessions and bytes, and how often that was of use since the start.
   */
  get figures() {
    const sessions = this.#entries.size;
    return { sessions, bytes: this.#size, hits: this.#hits, misses: this.#misses };
  }

  /** Absent: it is not remembered, or its idle time is over. */
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
    const reading = this.#ask(id).then(
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

  /**
   * A session that was seen a moment ago is only read: a write would make every other replica
   * forget it.
   */
  async #ask(id: string): Promise<SessionInUse | undefined> {
    const usedAt = this.#recentlySeen.at(id);
    if (usedAt !== undefined) return this.store.readInUse(id, usedAt);
    const now = this.clock();
    const found = await this.store.use(id);
    if (found) this.#recentlySeen.note(id, now);
    return found;
  }

  /**
   * Whether the session has not changed since it was asked for. Once answered, that is not watched
   * any more.
   */
  #endReading(id: string, reading: Promise<unknown>): boolean {
    return this.#readings.get(id) === reading && this.#readings.delete(id);
  }

  #remember(id: string, found: SessionInUse | undefined): void {
    this.#remove(id);
    if (!found || !this.#makeRoom(found.size)) return;
    const seenAt = this.#recentlySeen.at(id) ?? this.clock();
    this.#entries.set(id, { ...found, renewAt: seenAt + this.#interval, isUsed: false });
    this.#size += found.size;
  }

  #makeRoom(size: number): boolean {
    if (this.#size + size <= this.capacity) return true;
    this.#turnedAway += 1;
    if (this.#turnedAway % newcomers !== 0) return false;
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
