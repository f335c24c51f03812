import { Controller, HttpCode, Post, Req, Res, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request, Response } from 'express';
import { SessionRefreshService } from '../../session/claims/session-refresh.service.ts';
import { UserResponseService } from './user-response.service.ts';

/** Refreshes the session on request of the frontend, after a change of roles for example. */
@Controller({ version: VERSION_NEUTRAL })
export class RefreshController {
  constructor(
    private readonly refreshes: SessionRefreshService,
    private readonly users: UserResponseService,
  ) {}

  /** `POST /bff/refresh`, with the CSRF header. Responds like `/bff/user`. */
  @Post('refresh')
  @HttpCode(200)
  async refresh(@Req() request: Request, @Res() response: Response): Promise<void> {
    const session = request.session.signedIn;
    await this.users.send(response, session && (await this.refreshes.refresh(session)));
  }
}
