import {
  Controller,
  Get,
  HttpCode,
  Inject,
  Logger,
  Post,
  Req,
  Res,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { BffError } from '../../errors.ts';
import { endSessionUrl, revokeTokens } from '../../oauth/logout/end-session.ts';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import { allAccounts } from '../../session/sessions/linked-accounts.ts';
import { SessionCookieService } from '../../session/cookie/session-cookie.service.ts';
import { SessionReaderService } from '../../session/sessions/session-reader.service.ts';
import type { Session } from '../../session/sessions/session.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { LogoutState } from './logout-state.ts';
import { withDeadline } from '../../http/deadline.ts';
import { parameter, queryOf } from '../../http/query.ts';
import { safeReturnUrl } from '../login/return-url.ts';

/** The maximum time that a sign-out waits for the authorization server, in milliseconds. */
const revocationTimeout = 1800;

/** Signs the user out here first, then at the authorization server (OIDC RP-Initiated Logout). */
@Controller({ version: VERSION_NEUTRAL })
export class LogoutController {
  readonly #logger = new Logger(LogoutController.name);

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly providers: ProviderRegistry,
    private readonly sessions: SessionReaderService,
    private readonly sessionCookie: SessionCookieService,
    private readonly logoutState: LogoutState,
  ) {}

  /**
   * `GET /bff/logout?sid=`, a navigation. The public session id proves that the link comes from one
   * of our pages.
   */
  @Get('logout')
  async navigate(@Req() request: Request, @Res() response: Response): Promise<void> {
    response.redirect(await this.#logout(request, response, 'required'));
  }

  /** `POST /bff/logout`, for `fetch`. The CSRF header is sufficient proof. */
  @Post('logout')
  @HttpCode(200)
  async post(@Req() request: Request, @Res() response: Response): Promise<void> {
    response.json({ location: await this.#logout(request, response, 'optional') });
  }

  /**
   * `GET /bff/logout/callback`, called by the authorization server. Parameters other than `state`
   * are ignored.
   */
  @Get('logout/callback')
  callback(@Req() request: Request, @Res() response: Response): void {
    const state = queryOf(request).get('state');
    const requested = state ? this.logoutState.open(state) : undefined;
    // Validate again: a state does not expire, and its origin may no longer be allowed.
    response.redirect(safeReturnUrl(requested, this.options.returnUrl));
  }

  async #logout(request: Request, response: Response, sidIs: 'required' | 'optional') {
    const query = queryOf(request);
    const requested = parameter(query, 'returnUrl');
    const returnUrl = safeReturnUrl(requested, this.options.returnUrl);
    const sid = parameter(query, 'sid');
    const session = request.session.signedIn;
    if (!session) {
      const idInCookie = this.sessions.idIn(request.headers.cookie);
      const presented = sidIs === 'optional' ? (sid ?? idInCookie) : sid;
      // The session may exist although its provider is no longer configured on this replica. Ending
      // it here also ends it on replicas with the old configuration.
      if (idInCookie !== undefined && presented === idInCookie)
        await this.sessionCookie.end(request, response, idInCookie);
      return returnUrl;
    }
    const isMismatch = sid === undefined ? sidIs === 'required' : sid !== session.id;
    if (isMismatch) throw new BffError('session_mismatch');

    // Use the ended session: a refresh may have changed its tokens since it was read.
    const ended = await this.sessionCookie.end(request, response);
    this.#logger.log({ msg: 'signed out', provider: session.provider });
    this.options.listener.sessionsEnded('user', 1);
    return (await this.#signOutAtProvider(ended ?? session, requested ?? '')) ?? returnUrl;
  }

  /**
   * Returns the URL at which the authorization server signs the user out. Its state contains the
   * return URL as it was sent; the callback validates it again. Returns `undefined` if the provider
   * has no such endpoint or did not respond in time.
   */
  async #signOutAtProvider(session: Session, requested: string): Promise<string | undefined> {
    const provider = this.providers.ofAccount(session);
    if (!provider) return undefined; // no longer configured
    const revoked = Promise.all(allAccounts(session).map((account) => this.#revoke(account)));
    const location = endSessionUrl(provider, {
      idToken: session.tokens.idToken,
      postLogoutRedirectUri: this.options.postLogoutRedirectUri,
      state: this.logoutState.seal(requested),
    });
    const [, url] = await Promise.all([
      this.#withinTimeout(revoked, 'revocation failed'),
      this.#withinTimeout(location, 'end session endpoint unknown'),
    ]);
    return url?.href;
  }

  async #revoke(account: Session): Promise<void> {
    const provider = this.providers.ofAccount(account);
    if (provider) await revokeTokens(provider, account.tokens);
  }

  /**
   * Waits for the authorization server. A failure or a timeout is only logged, because the session
   * here has already ended.
   */
  async #withinTimeout<T>(promise: Promise<T>, failure: string): Promise<T | undefined> {
    try {
      return await withDeadline(promise, revocationTimeout, () => {
        throw new Error(`no response within ${revocationTimeout} ms`);
      });
    } catch (error) {
      this.#logger.warn({ msg: failure, err: error });
      return undefined;
    }
  }
}
