import { Controller, Get, Req, Res, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request, Response } from 'express';
import { parameter, queryOf } from '../../http/query.ts';
import { ClaimsRefresher } from '../../session/claims/claims-refresher.ts';
import { UserResponseService } from './user-response.service.ts';

/** Describes the signed-in user by claims. Tokens are never included. */
@Controller({ version: VERSION_NEUTRAL })
export class UserController {
  constructor(
    private readonly users: UserResponseService,
    private readonly claims: ClaimsRefresher,
  ) {}

  /** `GET /bff/user` */
  @Get('user')
  async user(@Req() request: Request, @Res() response: Response): Promise<void> {
    const slides = parameter(queryOf(request), 'slide') !== 'false';
    const session = request.session.signedIn;
    if (session) this.claims.noteCall(session);
    await this.users.send(response, session, slides);
  }
}
