import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { LinkedAccountsService } from '../sessions/linked-accounts.service.ts';
import { sessionCookieAttributes } from './cookies.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import { SignedOutNavigationService } from '../navigation/signed-out-navigation.service.ts';
import { SignedInSessionsService } from '../sessions/signed-in-sessions.service.ts';
import { SessionStore } from '../sessions/session-store.ts';
import { recordNameOf } from '../store/sealed-records.ts';
import type { NewSession, Session } from '../sessions/session.ts';
import { SignedCookie } from './signed-cookie.ts';

/** Issues and ends sessions with their cookie, for requests behind `SessionMiddleware`. */
@Injectable()
export class SessionCookieService {
  readonly #cookie: SignedCookie;

  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    private readonly store: SessionStore,
    private readonly sessions: SignedInSessionsService,
    private readonly connections: LinkedAccountsService,
    private readonly navigations: SignedOutNavigationService,
  ) {
    const { cookies, session } = options;
    this.#cookie = new SignedCookie(cookies.session, session.secrets);
  }

  /**
   * Stores a new session under a new id and sets its cookie. Ends the session of the request and
   * the one it `replaces` and revokes their tokens. Only accounts connected by the same user are
   * carried over, so an id planted before the sign-in is useless after it (session fixation). If
   * this fails, the browser keeps its cookie.
   */
  async issue(
    request: Request,
    response: Response,
    session: NewSession,
    replaces: string | undefined,
  ): Promise<void> {
    const { publicUrl, session: options } = this.options;
    const previousSecret = request.sessionID;
    const secret = await storeNewSession(request, session);
    const begun = { ...session, id: recordNameOf(secret) };
    const ended: Session[] = [];
    for (const id of [recordNameOf(previousSecret), replaces]) {
      const old = id === undefined ? undefined : await this.store.end(id);
      if (old) ended.push(old);
    }
    await this.connections.carryOver(ended, begun);
    await this.sessions.keepWithinLimit(begun);
    const value = this.#cookie.sign(secret);
    response.cookie(this.#cookie.name, value, sessionCookieAttributes(publicUrl, options));
  }

  /**
   * Ends the session of this request and clears its cookie. Returns the session with the tokens of
   * its last refresh, or `undefined` if another request ended it first or its provider is no longer
   * configured. Pass `id` if the session could not be read.
   */
  async end(
    request: Request,
    response: Response,
    id = recordNameOf(request.sessionID),
  ): Promise<Session | undefined> {
    const ended = await this.store.end(id);
    const { publicUrl, session, cookies } = this.options;
    response.clearCookie(cookies.session, sessionCookieAttributes(publicUrl, session));
    this.navigations.forget(request, response);
    forgetSession(request);
    return ended;
  }
}

/** Stores a session through express-session and returns its secret. */
async function storeNewSession(request: Request, session: NewSession): Promise<string> {
  request.sessionStore.generate(request);
  const { session: created, sessionID: secret } = request;
  // Otherwise express-session sets a cookie on an error response too, and saves the session again
  // at the end of the response (expressjs/session#935), which the store refuses.
  forgetSession(request);
  created.signedIn = { ...session, id: recordNameOf(secret) };
  await new Promise<void>((resolve, reject) => {
    created.save((error?: unknown) => (error ? reject(error) : resolve()));
  });
  return secret;
}

/**
 * Removes the session from the request. With `unset: 'keep'`, express-session then neither stores
 * it at the end of the response nor sets a cookie.
 */
function forgetSession(request: Partial<Pick<Request, 'session'>>): void {
  delete request.session;
}
