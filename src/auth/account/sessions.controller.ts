import {
  Controller,
  Delete,
  Get,
  Inject,
  Logger,
  Param,
  Req,
  Res,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { BffError } from '../../errors.ts';
import { SessionCookieService } from '../../session/cookie/session-cookie.service.ts';
import { sessionEntry } from '../../session/sessions/session-entry.ts';
import { SessionStore } from '../../session/sessions/session-store.ts';
import type { Session } from '../../session/sessions/session.ts';
import { SignedInSessionsService } from '../../session/sessions/signed-in-sessions.service.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';

/** Lists and ends the sessions of the signed-in user, on all devices. */
@Controller({ version: VERSION_NEUTRAL })
export class SessionsController {
  readonly #logger = new Logger(SessionsController.name);

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly store: SessionStore,
    private readonly sessions: SignedInSessionsService,
    private readonly sessionCookie: SessionCookieService,
  ) {}

  /** `GET /bff/sessions`, newest first. */
  @Get('sessions')
  async list(@Req() request: Request, @Res() response: Response): Promise<void> {
    const { issuer, sub, id } = await this.#sessionInUse(request);
    const sessions = await this.sessions.list({ issuer, sub });
    response.json(sessions.toReversed().map((seen) => sessionEntry(seen, id)));
  }

  /**
   * `DELETE /bff/sessions/{id}`. Another user's session gets the same response as an unknown id.
   */
  @Delete('sessions/:id')
  async end(
    @Req() request: Request,
    @Res() response: Response,
    @Param('id') id: string,
  ): Promise<void> {
    const current = await this.#sessionInUse(request);
    if (id === current.id) return this.#signOut(request, response, current);
    const ended = await this.sessions.end(id, current);
    if (!ended) throw new BffError('not_found');
    this.#logger.log({ msg: 'session ended by its user', provider: ended.provider });
    this.options.listener.sessionsEnded('user', 1);
    response.status(204).end();
  }

  /** `DELETE /bff/sessions`: ends all sessions except the current one. */
  @Delete('sessions')
  async endOthers(@Req() request: Request, @Res() response: Response): Promise<void> {
    const current = await this.#sessionInUse(request);
    const ended = await this.sessions.endAll(current, current.id);
    this.#logger.log({ msg: 'other sessions ended by their user', ended });
    this.options.listener.sessionsEnded('user', ended);
    response.status(204).end();
  }

  async #signOut(request: Request, response: Response, { id, provider }: Session): Promise<void> {
    // This comes first because it also revokes the tokens. Afterwards only the cookie remains.
    await this.sessions.end(id);
    await this.sessionCookie.end(request, response);
    this.#logger.log({ msg: 'signed out', provider });
    this.options.listener.sessionsEnded('user', 1);
    response.status(204).end();
  }

  /**
   * Returns the session of the request and restarts its idle time, because managing sessions counts
   * as activity. Throws `not_signed_in`.
   */
  async #sessionInUse(request: Request): Promise<Session> {
    const session = request.session.signedIn;
    const idleExpiresAt = session && (await this.store.slide(session));
    if (!session || idleExpiresAt === undefined) throw new BffError('not_signed_in');
    return session;
  }
}
