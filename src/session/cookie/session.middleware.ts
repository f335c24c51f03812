import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import expressSession from 'express-session';
import { BffError } from '../../errors.ts';
import { sessionCookieAttributes } from './cookies.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import { SessionStore } from '../sessions/session-store.ts';
import { newSecret } from '../sessions/session.ts';
import { SignedCookie } from './signed-cookie.ts';

/**
 * Runs express-session for the endpoints that issue, read or end the session cookie. There is no
 * session or cookie before a sign-in, and no session is saved again. express-session itself sets no
 * cookie: `SessionCookieService` does, once the session is stored.
 */
@Injectable()
export class SessionMiddleware implements NestMiddleware {
  readonly #session: RequestHandler;
  readonly #cookie: SignedCookie;

  constructor(@Inject(SESSION_OPTIONS) options: SessionRoomOptions, store: SessionStore) {
    const { publicUrl, session, cookies } = options;
    this.#cookie = new SignedCookie(cookies.session, session.secrets);
    this.#session = expressSession({
      name: cookies.session,
      secret: [...this.#cookie.keys],
      cookie: sessionCookieAttributes(publicUrl, session),
      store,
      genid: newSecret,
      resave: false,
      saveUninitialized: false,
      unset: 'keep',
    });
  }

  use(request: Request, response: Response, next: NextFunction): void {
    const { cookie } = request.headers;
    request.headers.cookie = this.#sessionCookieIn(cookie);
    this.#session(request, response, (error?: unknown) => {
      request.headers.cookie = cookie;
      if (error) return next(error);
      // express-session continues without a session if its store reports that it is disconnected.
      return next(request.session ? undefined : new BffError('session_store_unavailable'));
    });
  }

  /**
   * Returns a `Cookie` header with the valid session cookie only, or `undefined` if there is none.
   * Given the whole header, express-session would use the first cookie of this name, valid or not,
   * and decode all others. The value is signed and encoded again, so that express-session's parser
   * reads the same value as ours, however the client encoded it.
   */
  #sessionCookieIn(header: string | undefined): string | undefined {
    const value = this.#cookie.read(header);
    return value && `${this.#cookie.name}=${encodeURIComponent(this.#cookie.sign(value))}`;
  }
}
