import { Inject, Injectable } from '@nestjs/common';
import { VerifiedCookies } from '../cookie/verified-cookies.ts';
import { ClaimsRefresher } from '../claims/claims-refresher.ts';
import { SessionCache } from './session-cache.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import type { Session } from './session.ts';
import { SignedCookie } from '../cookie/signed-cookie.ts';

/** Reads the session of a request without express-session, for code that must not write it. */
@Injectable()
export class SessionReaderService {
  readonly #cookies: VerifiedCookies;

  constructor(
    private readonly cache: SessionCache,
    private readonly claims: ClaimsRefresher,
    @Inject(SESSION_OPTIONS) { cookies, session }: SessionRoomOptions,
  ) {
    this.#cookies = new VerifiedCookies(new SignedCookie(cookies.session, session.secrets));
  }

  /**
   * Returns the session of a `Cookie` header and renews its idle period, at most once per sixtieth
   * of it or per minute. `undefined` if signed out. Returns a promise only if the store must be
   * read; it rejects with `session_store_unavailable`.
   */
  read(cookieHeader: string | undefined): Session | undefined | Promise<Session | undefined> {
    const id = this.idIn(cookieHeader);
    return id === undefined ? undefined : this.readById(id);
  }

  /** Returns the session with this id like `read`, for a client that has its handle. */
  readById(id: string): Session | undefined | Promise<Session | undefined> {
    const found = this.cache.use(id);
    return found instanceof Promise
      ? found.then((session) => this.#noted(session))
      : this.#noted(found);
  }

  /** Returns the session of a `Cookie` header like `read`, but does not renew its idle period. */
  peek(cookieHeader: string | undefined): Session | undefined | Promise<Session | undefined> {
    const id = this.idIn(cookieHeader);
    return id === undefined ? undefined : this.cache.peek(id);
  }

  /**
   * Returns the session with this id like `peek`, `undefined` if it has ended. Rejects with
   * `session_store_unavailable`.
   */
  async find(id: string): Promise<Session | undefined> {
    return this.cache.peek(id);
  }

  /** Returns the session id in a validly signed cookie, even if the session no longer exists. */
  idIn(cookieHeader: string | undefined): string | undefined {
    return this.#cookies.idIn(cookieHeader);
  }

  /** A call of a session may begin to read its claims again. It does not wait for them. */
  #noted(session: Session | undefined): Session | undefined {
    if (session) this.claims.noteCall(session);
    return session;
  }
}
