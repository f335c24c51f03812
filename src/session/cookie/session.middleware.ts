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
 * session or cookie before a sign-in, and no session is saved again.
 */
@Injectable()
export class SessionMiddleware implements NestMiddleware {
  readonly #session: RequestHandler;
  readonly #isSecure: boolean;
  readonly #cookie: SignedCookie;

  constructor(@Inject(SESSION_OPTIONS) options: SessionRoomOptions, store: SessionStore) {
    const { publicUrl, session, cookies } = options;
    const cookie = sessionCookieAttributes(publicUrl, session);
    this.#isSecure = cookie.secure;
    this.#cookie = new SignedCookie(cookies.session, session.secrets);
    this.#session = expressSession({
      name: cookies.session,
      secret: [...this.#cookie.keys],
      cookie,
      store,
      genid: newSecret,
      resave: false,
      saveUninitialized: false,
    });
  }

  use(request: Request, response: Response, next: NextFunction): void {
    const { cookie } = request.headers;
    request.headers.cookie = this.#ours(cookie);
    // `publicUrl` tells whether browsers use TLS. The socket and forwarding headers do not.
    Object.defineProperty(request, 'secure', { value: this.#isSecure });
    this.#session(request, response, (error?: unknown) => {
      request.headers.cookie = cookie;
      if (error) return next(error);
      // express-session continues without a session if its store reports that it is disconnected.
      return next(request.session ? undefined : new BffError('session_store_unavailable'));
    });
  }

  /**
   * The `Cookie` header reduced to the valid session cookie, or `undefined` if there is none. Given
   * the whole header, express-session would read the first cookie of the name and decode all
   * others.
   */
  #ours(header: string | undefined): string | undefined {
    const value = this.#cookie.read(header);
    return value && `${this.#cookie.name}=${encodeURIComponent(this.#cookie.sign(value))}`;
  }
}
