import { Inject, Injectable } from '@nestjs/common';
import { VerifiedCookies } from '../cookie/verified-cookies.ts';
import { SessionCache } from './session-cache.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import type { Session } from './session.ts';
import { SignedCookie } from '../cookie/signed-cookie.ts';

/**
 * Reads the session of a request without express-session, for everything that only reads: it cannot
 * write one back by accident, and costs what it must.
 */
@Injectable()
export class SessionReaderService {
  readonly #cookies: VerifiedCookies;

  constructor(
    private readonly cache: SessionCache,
    @Inject(SESSION_OPTIONS) { cookies, session }: SessionRoomOptions,
  ) {
    this.#cookies = new VerifiedCookies(new SignedCookie(cookies.session, session.secrets));
  }

  /**
   * The session the `Cookie` header names, which is in use, if nobody has to be asked about it.
   * Absent: signed out, or `read` it.
   */
  known(cookieHeader: string | undefined): Session | undefined {
    const id = this.idIn(cookieHeader);
    return id === undefined ? undefined : this.cache.known(id);
  }

  /**
   * The session the `Cookie` header names, which is in use and so begins a new idle period, within
   * a sixtieth of it. A promise only when Redis has to be asked; it rejects with
   * `session_store_unavailable`. Absent: signed out.
   */
  read(cookieHeader: string | undefined): Session | undefined | Promise<Session | undefined> {
    const id = this.idIn(cookieHeader);
    return id === undefined ? undefined : this.cache.use(id);
  }

  /** The same, but no use of the session. */
  peek(cookieHeader: string | undefined): Session | undefined | Promise<Session | undefined> {
    const id = this.idIn(cookieHeader);
    return id === undefined ? undefined : this.cache.peek(id);
  }

  /** The id of the session a validly signed cookie names, whether or not it still exists. */
  idIn(cookieHeader: string | undefined): string | undefined {
    return this.#cookies.idIn(cookieHeader);
  }
}
