import { Inject, Injectable } from '@nestjs/common';
import { readSignedCookie } from './cookies.ts';
import { recordNameOf } from './sealed-records.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/**
 * Reads the session of a request without express-session, for everything that only reads: it cannot write one back by
 * accident, and costs what it must. Throws `session_store_unavailable`.
 */
@Injectable()
export class SessionReader {
  constructor(
    private readonly store: SessionStore,
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
  ) {}

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

  /** Begins a new idle period and says when it ends (epoch milliseconds). Absent: the session is gone. */
  async slide(session: Session): Promise<number | undefined> {
    return this.store.slide(session);
  }
}
