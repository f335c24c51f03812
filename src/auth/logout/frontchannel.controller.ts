import { Controller, Get, Inject, Logger, Req, Res, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request, Response } from 'express';
import { BffError } from '../../errors.ts';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import type { SessionGroup } from '../../session/sessions/session-index.ts';
import { SignedInSessionsService } from '../../session/sessions/signed-in-sessions.service.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { parameter, queryOf } from '../../http/query.ts';

const page = '<!doctype html><html lang="en"><title>Signed out</title></html>\n';

/**
 * Signs out in an iframe of the authorization server's page (OIDC Front-Channel Logout 1.0), if it
 * is configured for a provider. Browsers send no cookie in such a third-party frame, so the session
 * is found by the provider's `sid`.
 */
@Controller({ version: VERSION_NEUTRAL })
export class FrontchannelController {
  readonly #logger = new Logger(FrontchannelController.name);

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly providers: ProviderRegistry,
    private readonly sessions: SignedInSessionsService,
  ) {}

  /**
   * `GET /bff/frontchannel?iss=&sid=`. If the parameters match no session, nothing changes and the
   * response is the same.
   */
  @Get('frontchannel')
  async logout(@Req() request: Request, @Res() response: Response): Promise<void> {
    const enabled = this.providers.all.filter(({ options }) => options.frontchannelLogout);
    if (enabled.length === 0) throw new BffError('not_found');
    const query = queryOf(request);
    const [issuer, sid] = [parameter(query, 'iss'), parameter(query, 'sid')];
    if (!issuer || !sid) throw new BffError('invalid_request');
    const ofIssuer = enabled.filter(({ options }) => options.issuer === issuer);
    if (ofIssuer.length > 0) {
      // The request has no audience, so it addresses every client of the issuer.
      const clientIds = ofIssuer.map(({ options }) => options.clientId);
      await this.#end({ issuer, clientIds, sid });
      allowFramesOf(issuer, response);
    }
    response.type('html').send(page);
  }

  async #end(group: SessionGroup): Promise<void> {
    // Any client can send this request, so nothing is stored for an invented `sid`.
    if ((await this.sessions.subjectsOf(group)).length === 0) return;
    const sessions = await this.sessions.endGroup(group, 'withoutOfflineAccess');
    const { issuer } = group;
    this.#logger.log({ msg: 'signed out by a frame of the provider', issuer, sessions });
    this.options.listener.sessionsEnded('frontchannel', sessions);
  }
}

/** Allows framing by the issuer's origin only. `X-Frame-Options` cannot name an origin. */
function allowFramesOf(issuer: string, response: Response): void {
  const { origin } = new URL(issuer);
  response.removeHeader('X-Frame-Options');
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${origin}`,
  );
}
