import { Controller, Get, Inject, Logger, Post, Req, Res, VERSION_NEUTRAL } from '@nestjs/common';
import type { Request, Response } from 'express';
import { interactionPath } from '../auth/login/interaction-path.ts';
import { markSuffix } from '../auth/login/login-mark.ts';
import { providerChoices } from '../auth/login/provider-choices.ts';
import { sendChooserPage } from '../auth/login/chooser-page.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth/auth-options.ts';
import { OutgoingLoginsService } from '../auth/login/outgoing-logins.service.ts';
import { BffError } from '../errors.ts';
import { formOf } from '../http/form.ts';
import { parameter, type Query, queryOf } from '../http/query.ts';
import { accountChoicePrompt } from '../oauth/login/account-choice.ts';
import { ProviderRegistry } from '../oauth/provider-registry.ts';
import { ClientSessionsService } from '../session/clients/client-sessions.service.ts';
import { type ClientSignIn, ClientSignIns } from '../session/clients/client-sign-ins.ts';
import { LoginCookieService } from '../session/cookie/login-cookie.service.ts';
import { LinkedAccountsService } from '../session/sessions/linked-accounts.service.ts';
import {
  AUTHORIZATION_SERVER,
  type AuthorizationRequest,
  type AuthorizationServer,
} from './authorization-server.ts';
import { sendConsentPage } from './pages/consent-page.ts';
import {
  AUTHORIZATION_SERVER_OPTIONS,
  type AuthorizationServerRoomOptions,
} from './authorization-server-options.ts';

/** How long a session waits for its client to redeem the code, in milliseconds. */
const unclaimedTime = { code: 2 * 60 * 1000, device: 11 * 60 * 1000 };

/** The page where a user signs in for a client of our own, and consents. */
@Controller({ path: 'oauth/interaction', version: VERSION_NEUTRAL })
export class InteractionController {
  readonly #logger = new Logger(InteractionController.name);

  constructor(
    @Inject(AUTHORIZATION_SERVER) private readonly server: AuthorizationServer,
    @Inject(AUTHORIZATION_SERVER_OPTIONS) private readonly options: AuthorizationServerRoomOptions,
    @Inject(AUTH_OPTIONS) private readonly auth: AuthOptions,
    private readonly providers: ProviderRegistry,
    private readonly outgoing: OutgoingLoginsService,
    private readonly loginCookie: LoginCookieService,
    private readonly signIns: ClientSignIns,
    private readonly sessions: ClientSessionsService,
    private readonly accounts: LinkedAccountsService,
  ) {}

  /** `GET /bff/oauth/interaction/{id}`: the sign-in at the provider, then the consent page. */
  @Get(':id')
  async show(@Req() request: Request, @Res() response: Response): Promise<void> {
    const authorization = await this.#authorizationOf(request, response);
    const query = queryOf(request);
    if (parameter(query, 'denied') !== undefined) return this.server.deny(request, response);
    const isOther = parameter(query, 'account') === 'other';
    const signIn = isOther ? undefined : await this.#signInOf(request, authorization);
    if (!signIn) return this.#signIn(request, response, authorization, query);
    this.#askForConsent(response, authorization, signIn);
  }

  /** `POST /bff/oauth/interaction/{id}`: the user's decision. */
  @Post(':id')
  async decide(@Req() request: Request, @Res() response: Response): Promise<void> {
    const authorization = await this.#authorizationOf(request, response);
    const form = await formOf(request);
    const signIn = await this.#signInOf(request, authorization);
    if (!signIn) throw new BffError('login_expired');
    if (form.get('token') !== signIn.formToken) throw new BffError('csrf');
    const binding = this.loginCookie.read(request)?.login ?? '';
    const taken = await this.signIns.take(authorization.id, binding);
    if (!taken) throw new BffError('login_expired');
    if (form.get('decision') === 'allow')
      return this.#begin(request, response, authorization, taken);
    this.#discard(request, taken);
    this.#logger.log({ msg: 'client denied by its user', client: authorization.client.id });
    await this.server.deny(request, response);
  }

  /** The request in the cookie must be that of the address: a browser may have several. */
  async #authorizationOf(request: Request, response: Response): Promise<AuthorizationRequest> {
    const authorization = await this.server.requestOf(request, response);
    if (request.params['id'] === authorization.id) return authorization;
    const cause = new Error('the cookie is that of another authorization request');
    throw new BffError('login_expired', { cause });
  }

  async #signInOf(
    request: Request,
    { id }: AuthorizationRequest,
  ): Promise<ClientSignIn | undefined> {
    const binding = this.loginCookie.read(request)?.login;
    return binding === undefined ? undefined : this.signIns.read(id, binding);
  }

  async #signIn(
    request: Request,
    response: Response,
    { id, loginHint }: AuthorizationRequest,
    query: Query,
  ): Promise<void> {
    const { basePath, offersChoice } = this.options;
    const path = interactionPath(basePath, id);
    const named = parameter(query, 'provider');
    if (offersChoice && named === undefined && this.providers.all.length > 1)
      return sendChooserPage(
        response,
        this.options.publicUrl,
        providerChoices(this.providers, path),
      );
    const provider = this.providers.get(named);
    const isOther = parameter(query, 'account') === 'other';
    const parameters = {
      ...(isOther && { prompt: await accountChoicePrompt(provider) }),
      ...(loginHint !== undefined && !isOther && { login_hint: loginHint }),
    };
    const mark = markSuffix({ secondTry: true });
    const login = { parameters, mark, returnUrl: '/', authorizes: id };
    const url = await this.outgoing.begin(request, response, provider, login);
    this.auth.listener.signInStarted(provider.id);
    response.redirect(url.href);
  }

  #askForConsent(
    response: Response,
    authorization: AuthorizationRequest,
    { signIn, formToken }: ClientSignIn,
  ): void {
    const { basePath, publicUrl } = this.options;
    const { client, redirectUri, scopes } = authorization;
    sendConsentPage(response, {
      client,
      redirectUri,
      scopes,
      claims: signIn.claims,
      publicUrl,
      action: interactionPath(basePath, authorization.id),
      formToken,
    });
  }

  /** The tokens of a sign-in without consent are of no use. The browser's own session keeps its. */
  #discard({ session: { signedIn } }: Request, { signIn, provider }: ClientSignIn): void {
    this.accounts.discard(signIn, provider, new Set(signedIn ? [signedIn.id] : []));
  }

  async #begin(
    request: Request,
    response: Response,
    authorization: AuthorizationRequest,
    taken: ClientSignIn,
  ): Promise<void> {
    const { client, redirectUri } = authorization;
    const userAgent = request.headers['user-agent'];
    const unclaimed = unclaimedTime[redirectUri === undefined ? 'device' : 'code'];
    const session = await this.sessions.begin(taken, client, userAgent, unclaimed);
    this.#logger.log({ msg: 'client authorized', client: client.id, provider: taken.provider });
    try {
      await this.server.approve(request, response, authorization, session);
    } catch (error) {
      await this.sessions.end(session.id);
      throw error;
    }
  }
}
