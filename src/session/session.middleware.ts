import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import expressSession from 'express-session';
import { BffError } from '../errors.ts';
import {
  type CookieFilter,
  cookieFilter,
  cookieValues,
  sessionCookieAttributes,
} from './cookies.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { SessionStore } from './session-store.ts';
import { newSecret } from './session.ts';

/**
 * express-session for the endpoints that issue, read or end the session cookie. Nobody gets a session or a cookie before
 * a sign-in, and none is ever saved again.
 */
@Injectable()
export class SessionMiddleware implements NestMiddleware {
  readonly #session: RequestHandler;
  readonly #isSecure: boolean;
  readonly #withoutIt: CookieFilter;

  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    store: SessionStore,
  ) {
    const { publicUrl, session, cookies } = options;
    const cookie = sessionCookieAttributes(publicUrl, session);
    this.#isSecure = cookie.secure;
    this.#withoutIt = cookieFilter([cookies.session]);
    this.#session = expressSession({
      name: cookies.session,
      secret: [...session.secrets],
      cookie,
      store,
      genid: newSecret,
      resave: false,
      saveUninitialized: false,
    });
  }

  use(request: Request, response: Response, next: NextFunction): void {
    // express-session would take the first of two cookies of the same name; one of them may be planted.
    const name = this.options.cookies.session;
    if (cookieValues(request.headers.cookie, name).length > 1) {
      request.headers.cookie = this.#withoutIt(request.headers.cookie);
    }
    // Whether browsers reach us over TLS is for publicUrl to say, not for this socket or a header.
    Object.defineProperty(request, 'secure', { value: this.#isSecure });
    this.#session(request, response, (error?: unknown) => {
      if (error) return next(error);
      // express-session goes on without a session when its store says it is disconnected.
      return next(request.session ? undefined : new BffError('session_store_unavailable'));
    });
  }
}
