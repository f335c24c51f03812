import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { sessionCookieAttributes } from './cookies.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** Issues and ends sessions together with their cookie, for requests that express-session has seen. */
@Injectable()
export class SessionCookie {
  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    private readonly store: SessionStore,
  ) {}

  /**
   * Gives the browser a new session under a new id, stored when this resolves; the response may then send it away. The
   * session the request showed and the one it `replaces` are over, and nothing of them is copied: an id planted before
   * the sign-in is worth nothing after it (session fixation).
   */
  async issue(request: Request, session: Session, replaces: string | undefined): Promise<void> {
    const shown = request.sessionID;
    request.sessionStore.generate(request);
    request.session.signedIn = session;
    await new Promise<void>((resolve, reject) => {
      request.session.save((error?: unknown) => (error ? reject(error) : resolve()));
    });
    await this.store.end(shown);
    if (replaces) await this.store.end(replaces);
  }

  /** Ends the session of this request and takes its cookie away. */
  async end(request: Request, response: Response): Promise<void> {
    await this.store.end(request.sessionID);
    const { publicUrl, session, cookies } = this.options;
    response.clearCookie(cookies.session, sessionCookieAttributes(publicUrl, session));
    Reflect.deleteProperty(request, 'session');
  }
}
