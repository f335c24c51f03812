import { Controller, Get, Inject, Req, Res, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request, Response } from 'express';
import { BffError } from '../../errors.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { SessionStore } from '../../session/sessions/session-store.ts';
import type { Session } from '../../session/sessions/session.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { parameter, queryOf } from '../../http/query.ts';
import { claimRecords, userObject } from './user.ts';

/** Describes the signed-in user by claims. Tokens are never included. */
@Controller({ version: VERSION_NEUTRAL })
export class UserController {
  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly store: SessionStore,
  ) {}

  /** `GET /bff/user` */
  @Get('user')
  async user(@Req() request: Request, @Res() response: Response): Promise<void> {
    const slides = parameter(queryOf(request), 'slide') !== 'false';
    const session = request.session.signedIn;
    const idleExpiresAt = session && (await this.#idleExpiry(session, slides));
    if (!session || !idleExpiresAt) return this.#respondSignedOut(response);

    const now = this.clock();
    const logoutUrl = `${this.options.basePath}/logout?sid=${encodeURIComponent(session.id)}`;
    const view = { session, idleExpiresAt, now, logoutUrl };
    const { format } = this.options.user;
    response.json(format === 'claims-array' ? claimRecords(view) : userObject(view));
  }

  async #idleExpiry(session: Session, slides: boolean) {
    return slides ? this.store.slide(session) : this.store.idleExpiry(session.id);
  }

  #respondSignedOut(response: Response): void {
    if (this.options.user.anonymous !== 200) throw new BffError('not_signed_in');
    response.json(null);
  }
}
