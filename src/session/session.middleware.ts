import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import expressSession from 'express-session';
import { BffError } from '../errors.ts';
import { type CookieFilter, cookieFilter, sessionCookieAttributes } from './cookies.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { SessionStore } from './session-store.ts';
import { newSecret } from './session.ts';
import { SignedCookie } from './signed-cookie.ts';

/**
 * express-session for the endpoints that issue, read or end the session cookie. Nobody gets a session or a cookie before
 * a sign-in, and none is ever saved again.
 */
@Injectable()
export class SessionMiddleware implements NestMiddleware {
  readonly #session: RequestHandler;
  readonly #isSecure: boolean;
  readonly #cookie: SignedCookie;
  readonly #withoutOurs: CookieFilter;

  constructor(@Inject(SESSION_OPTIONS) options: SessionRoomOptions, store: SessionStore) {
    const { publicUrl, session, cookies } = options;
    const cookie = sessionCookieAttributes(publicUrl, session);
    this.#isSecure = cookie.secure;
    this.#cookie = new SignedCookie(cookies.session, session.secrets);
    this.#withoutOurs = cookieFilter([cookies.session]);
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
    this.#leaveOneCookie(request);
    // Whether browsers reach us over TLS is for publicUrl to say, not for this socket or a header.
    Object.defineProperty(request, 'secure', { value: this.#isSecure });
    this.#session(request, response, (error?: unknown) => {
      if (error) return next(error);
      // express-session goes on without a session when its store says it is disconnected.
      return next(request.session ? undefined : new BffError('session_store_unavailable'));
    });
  }

  /** express-session reads the first cookie of the name, by rules of its own: it gets to see the one that counts, or none. */
  #leaveOneCookie(request: Request): void {
    const { cookie: header } = request.headers;
    if (header === undefined) return;
    const value = this.#cookie.read(header);
    const ours = value && `${this.#cookie.name}=${encodeURIComponent(this.#cookie.sign(value))}`;
    request.headers.cookie = [ours, this.#withoutOurs(header)].filter(Boolean).join('; ');
  }
}
