import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from './clock.ts';
import { readSignedCookie } from './cookies.ts';
import { RecentlySeen } from './recently-seen.ts';
import { recordNameOf } from './sealed-records.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** The idle time of a session in use is renewed at least this often, in milliseconds. */
const longestUnnoticed = 60_000;

/**
 * Reads the session of a request without express-session, for everything that only reads: it cannot write one back by
 * accident, and costs what it must. Throws `session_store_unavailable`.
 */
@Injectable()
export class SessionReader {
  readonly #recentlySeen: RecentlySeen;

  constructor(
    private readonly store: SessionStore,
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    @Inject(CLOCK) clock: Clock,
  ) {
    const interval = Math.min(options.session.idle / 60, longestUnnoticed);
    this.#recentlySeen = new RecentlySeen(interval, clock);
  }

  /** The session the `Cookie` header names, or `undefined`: signed out. */
  async read(cookieHeader: string | undefined): Promise<Session | undefined> {
    const id = this.idIn(cookieHeader);
    return id === undefined ? undefined : this.store.read(id);
  }

  /** The id of the session a validly signed cookie names, whether or not it still exists. */
  idIn(cookieHeader: string | undefined): string | undefined {
    const { cookies, session } = this.options;
    const secret = readSignedCookie(cookieHeader, cookies.session, session.secrets);
    return secret === undefined ? undefined : recordNameOf(secret);
  }

  /** Begins a new idle period, unless this replica has just begun one: a sixtieth of `session.idle` is not worth a write. */
  async keepAlive(session: Session): Promise<void> {
    if (!this.#recentlySeen.note(session.id)) return;
    try {
      await this.store.slide(session);
    } catch (error) {
      this.#recentlySeen.forget(session.id);
      throw error;
    }
  }
}
