import { Controller, Get, Inject, Logger, Req, Res, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request, Response } from 'express';
import { BffError } from '../../errors.ts';
import { Providers } from '../../oauth/providers.ts';
import type { SessionGroup } from '../../session/sessions/session-index.ts';
import { SignedInSessionsService } from '../../session/sessions/signed-in-sessions.service.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { parameter, queryOf } from '../../http/query.ts';

const page = '<!doctype html><html lang="en"><title>Signed out</title></html>\n';

/**
 * Signing out by a frame in the authorization server's page (OIDC Front-Channel Logout 1.0), where
 * a provider is configured for it. Browsers send no cookie into such a frame, so the session is
 * found by the provider's own name for it.
 */
@Controller({ version: VERSION_NEUTRAL })
export class FrontchannelController {
  readonly #logger = new Logger(FrontchannelController.name);

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly providers: Providers,
    private readonly sessions: SignedInSessionsService,
  ) {}

  /**
   * `GET /bff/frontchannel?iss=&sid=`. What names no session of ours changes nothing, and is told
   * nothing.
   */
  @Get('frontchannel')
  async logout(@Req() request: Request, @Res() response: Response): Promise<void> {
    const willing = this.providers.all.filter(({ options }) => options.frontchannelLogout);
    if (willing.length === 0) throw new BffError('not_found');
    const query = queryOf(request);
    const [issuer, sid] = [parameter(query, 'iss'), parameter(query, 'sid')];
    if (!issuer || !sid) throw new BffError('invalid_request');
    const asked = willing.filter(({ options }) => options.issuer === issuer);
    if (asked.length > 0) {
      // The request has no audience, so it addresses every client of the issuer.
      const clientIds = asked.map(({ options }) => options.clientId);
      await this.#end({ issuer, clientIds, sid });
      allowFramesOf(issuer, response);
    }
    response.type('html').send(page);
  }

  async #end(group: SessionGroup): Promise<void> {
    // Anybody may ask, so nothing is written for a sid that somebody made up.
    if ((await this.sessions.subjectsOf(group)).length === 0) return;
    const sessions = await this.sessions.endGroup(group, 'withoutOfflineAccess');
    const { issuer } = group;
    this.#logger.log({ msg: 'signed out by a frame of the provider', issuer, sessions });
    this.options.listener.sessionsEnded('frontchannel', sessions);
  }
}

/** In the pages of its origin and no others; `X-Frame-Options` could not name it. */
function allowFramesOf(issuer: string, response: Response): void {
  const { origin } = new URL(issuer);
  response.removeHeader('X-Frame-Options');
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${origin}`,
  );
}
