import { Controller, HttpCode, Inject, Logger, Post, Req, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request } from 'express';
import { BffError } from '../../errors.ts';
import { type LogoutToken, partiesOf, verifyLogoutToken } from '../../oauth/logout/logout-token.ts';
import type { Provider } from '../../oauth/provider/provider.ts';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import type { SessionGroup } from '../../session/sessions/session-index.ts';
import { SignedInSessionsService } from '../../session/sessions/signed-in-sessions.service.ts';
import { UsedOnce } from '../../session/store/used-once.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { formOf } from '../../http/form.ts';

/** A valid logout token and the clients whose sessions it ends. */
interface VerifiedLogout {
  readonly token: LogoutToken;
  readonly clientIds: readonly string[];
}

/**
 * Accepts sign-outs that the authorization server sends without a browser (OIDC Back-Channel Logout
 * 1.0).
 */
@Controller({ version: VERSION_NEUTRAL })
export class BackchannelController {
  readonly #logger = new Logger(BackchannelController.name);

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly providers: ProviderRegistry,
    private readonly sessions: SignedInSessionsService,
    private readonly usedTokens: UsedOnce,
  ) {}

  /**
   * `POST /bff/backchannel`. Once it has responded, the sessions that the token names are gone on
   * every replica (§2.7).
   */
  @Post('backchannel')
  @HttpCode(200)
  async logout(@Req() request: Request): Promise<void> {
    const [encoded, ...others] = (await formOf(request)).getAll('logout_token');
    if (!encoded || others.length > 0) throw invalid('logout_token is missing or repeated');
    const { token, clientIds } = await this.#verify(encoded);
    const { issuer, jti, expiresAt } = token;
    const isFirstUse = await this.usedTokens.use(JSON.stringify([issuer, jti]), expiresAt, () =>
      this.#endSessions({ token, clientIds }),
    );
    if (!isFirstUse) throw invalid('it was used before (jti)');
  }

  /**
   * Returns the token and the clients in its audience for which it is valid. Throws
   * `invalid_logout_token` if it is valid for none, and `provider_unavailable` if the keys of a
   * provider cannot be fetched, so that the sender retries.
   */
  async #verify(encoded: string): Promise<VerifiedLogout> {
    const now = this.clock();
    const clientIds: string[] = [];
    const failures: unknown[] = [];
    let token: LogoutToken | undefined;
    for (const provider of this.#recipients(encoded)) {
      try {
        token = await verifyLogoutToken(provider, encoded, now);
        clientIds.push(provider.options.clientId);
      } catch (error) {
        if (!isInvalid(error)) throw error;
        failures.push(error);
      }
    }
    if (!token) throw failures[0];
    return { token, clientIds };
  }

  /**
   * Returns the configured providers in the audience of a token. If there are none, returns one
   * provider of the issuer, so that verification reports what is wrong.
   */
  #recipients(encoded: string): Provider[] {
    const { issuer, audience } = partiesOf(encoded);
    const known = this.providers.all.filter(
      ({ options }) => options.type !== 'oauth2' && options.issuer === issuer,
    );
    if (known.length === 0) throw invalid('its issuer is not configured');
    const addressed = known.filter(({ options }) => audience.includes(options.clientId));
    return addressed.length > 0 ? addressed : known.slice(0, 1);
  }

  async #endSessions({ token, clientIds }: VerifiedLogout): Promise<void> {
    const { issuer, sid, sub } = token;
    const at = { issuer, clientIds };
    const group: SessionGroup = sid === undefined ? { ...at, sub: sub ?? '' } : { ...at, sid };
    const subjects = await this.sessions.subjectsOf(group);
    const isMismatch = sub !== undefined && subjects.some((subject) => subject !== sub);
    if (isMismatch) throw invalid('its sid and sub do not belong together');
    const ended = await this.sessions.endGroup(group, 'withoutOfflineAccess');
    this.#logger.log({ msg: 'signed out by the provider', issuer, sessions: ended });
    this.options.listener.sessionsEnded('backchannel', ended);
  }
}

function isInvalid(failure: unknown): boolean {
  return failure instanceof BffError && failure.code === 'invalid_logout_token';
}

function invalid(what: string): BffError {
  return new BffError('invalid_logout_token', { cause: new Error(what) });
}
