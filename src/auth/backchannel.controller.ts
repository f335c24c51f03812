import { Controller, HttpCode, Inject, Logger, Post, Req, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request } from 'express';
import { BffError } from '../errors.ts';
import { issuerOf, type LogoutToken, verifyLogoutToken } from '../oauth/logout-token.ts';
import { Providers } from '../oauth/providers.ts';
import { CLOCK, type Clock } from '../session/clock.ts';
import type { SessionGroup } from '../session/session-index.ts';
import { SignedInSessions } from '../session/signed-in-sessions.service.ts';
import { UsedOnce } from '../session/used-once.ts';
import { AUTH_OPTIONS, type AuthOptions } from './auth-options.ts';
import { formOf } from './form.ts';

/** Signing out by the authorization server, without a browser (OIDC Back-Channel Logout 1.0). */
@Controller({ version: VERSION_NEUTRAL })
export class BackchannelController {
  readonly #logger = new Logger(BackchannelController.name);

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly providers: Providers,
    private readonly sessions: SignedInSessions,
    private readonly usedTokens: UsedOnce,
  ) {}

  /** `POST /bff/backchannel`. When it has answered, the sessions the token names are gone on every replica (§2.7). */
  @Post('backchannel')
  @HttpCode(200)
  async logout(@Req() request: Request): Promise<void> {
    const [encoded, ...others] = (await formOf(request)).getAll('logout_token');
    if (!encoded || others.length > 0) throw invalid('logout_token is missing or repeated');
    const token = await this.#verify(encoded);
    const { issuer, jti, expiresAt } = token;
    const isFirstUse = await this.usedTokens.use(JSON.stringify([issuer, jti]), expiresAt, () =>
      this.#endSessions(token),
    );
    if (!isFirstUse) throw invalid('it was used before (jti)');
  }

  async #verify(encoded: string): Promise<LogoutToken> {
    const issuer = issuerOf(encoded);
    const provider = this.providers.all.find(
      ({ options: { type, issuer: known } }) => type !== 'oauth2' && known === issuer,
    );
    if (!provider) throw invalid('its issuer is not configured');
    return verifyLogoutToken(provider, encoded, this.clock());
  }

  async #endSessions({ issuer, sid, sub }: LogoutToken): Promise<void> {
    const group: SessionGroup = sid === undefined ? { issuer, sub: sub ?? '' } : { issuer, sid };
    const subjects = await this.sessions.subjectsOf(group);
    const isMismatch = sub !== undefined && subjects.some((subject) => subject !== sub);
    if (isMismatch) throw invalid('its sid and sub do not belong together');
    const ended = await this.sessions.endGroup(group, 'withoutOfflineAccess');
    this.#logger.log({ msg: 'signed out by the provider', issuer, sessions: ended });
    this.options.listener.sessionsEnded('backchannel', ended);
  }
}

function invalid(what: string): BffError {
  return new BffError('invalid_logout_token', { cause: new Error(what) });
}
