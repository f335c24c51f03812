import {
  Controller,
  Get,
  Inject,
  Logger,
  Param,
  Post,
  Req,
  Res,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { BffError, type ErrorCode } from '../../errors.ts';
import { refuseRepeatedParameters } from '../../oauth/login/authorization-response.ts';
import { claimedState, readAuthorizationResponse } from '../../oauth/login/jarm.ts';
import { finishLogin, type LoginParameters } from '../../oauth/login/login.ts';
import type { Provider } from '../../oauth/provider/provider.ts';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { LinkedAccountsService } from '../../session/sessions/linked-accounts.service.ts';
import { LoginCookieService } from '../../session/cookie/login-cookie.service.ts';
import { type PendingLogin, PendingLogins } from '../../session/store/pending-logins.ts';
import { SignInAdmissionService } from './sign-in-admission.service.ts';
import { SessionCookieService } from '../../session/cookie/session-cookie.service.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../../session/session-options.ts';
import { SignedOutNavigationService } from '../../session/navigation/signed-out-navigation.service.ts';
import { SessionReaderService } from '../../session/sessions/session-reader.service.ts';
import { beginSession } from '../../session/sessions/session.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { type Callback, redirectAfter, refuseOtherSession } from './callback.ts';
import { chooserPagePolicy, renderChooserPage } from './chooser-page.ts';
import { formOf } from '../../http/form.ts';
import { hasMark, isFirstTry } from './login-mark.ts';
import {
  loginParameters,
  namedProvider,
  refuseHiddenLogin,
  returnUrlOf,
  secondTry,
} from './login-request.ts';
import {
  type LoginWindow,
  markOfLogin,
  reportingTo,
  sendResult,
  windowOfLogin,
  windowOfResponse,
} from './login-window.ts';
import { OutgoingLoginsService } from './outgoing-logins.service.ts';
import { providerChoices } from './provider-choices.ts';
import { limitedQueryOf, parameter, type Query, queryOf } from '../../http/query.ts';
import { storedReturnUrl } from './return-url.ts';

/**
 * Signs users in: redirects to the authorization server and handles its response (RFC 6749 §4.1).
 */
@Controller({ version: VERSION_NEUTRAL })
export class LoginController {
  readonly #logger = new Logger(LoginController.name);

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    @Inject(SESSION_OPTIONS) private readonly sessionOptions: SessionRoomOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly providers: ProviderRegistry,
    private readonly outgoing: OutgoingLoginsService,
    private readonly pendingLogins: PendingLogins,
    private readonly loginCookie: LoginCookieService,
    private readonly sessions: SessionReaderService,
    private readonly sessionCookie: SessionCookieService,
    private readonly connections: LinkedAccountsService,
    private readonly navigations: SignedOutNavigationService,
    private readonly admission: SignInAdmissionService,
  ) {}

  /** `GET /bff/login` */
  @Get('login')
  async login(@Req() request: Request, @Res() response: Response): Promise<void> {
    const query = queryOf(request);
    const returnUrl = returnUrlOf(query, this.options.returnUrl);
    const named = namedProvider(query, this.providers);
    const provider = named ?? this.providers.get(undefined);
    const parameters = loginParameters(query, provider.options.loginParams);
    refuseHiddenLogin(request.headers, parameters);
    const window = windowOfLogin(request, response, query, parameters);
    if (!named && this.#letsChoose(parameters)) return this.#showChooser(response, query);

    const mark = markOfLogin(window, parameter(query, secondTry) !== undefined);
    // A `Strict` session cookie is missing on the callback, so the session it names is stored now.
    const replaces = this.sessions.idIn(request.headers.cookie);
    const login = { parameters, mark, returnUrl, ...(replaces && { replaces }) };
    const start = () => this.outgoing.begin(request, response, provider, login);
    await this.#attempt(window, async () => {
      const url = await this.#notifyingFailure(provider, start);
      this.options.listener.signInStarted(provider.id);
      response.redirect(url.href);
    });
  }

  /** Whether the user chooses a provider. A silent sign-in cannot show the page. */
  #letsChoose({ prompt }: LoginParameters): boolean {
    return this.options.chooser && this.providers.all.length > 1 && prompt !== 'none';
  }

  #showChooser(response: Response, { parameters }: Query): void {
    const { basePath, returnUrl } = this.options;
    const choices = providerChoices(this.providers, basePath, parameters);
    response.setHeader('Content-Security-Policy', chooserPagePolicy);
    response.type('html').send(renderChooserPage(new URL(returnUrl.publicUrl).host, choices));
  }

  /** `GET /bff/callback`, `GET /bff/callback/{provider}` */
  @Get(['callback', 'callback/:provider'])
  async callback(
    @Req() request: Request,
    @Res() response: Response,
    @Param('provider') providerId?: string,
  ): Promise<void> {
    await this.#receive(request, response, limitedQueryOf(request), providerId);
  }

  /**
   * `POST /bff/callback`, for providers that send the response as a form (OAuth 2.0 Form Post
   * Response Mode). The request is always cross-site. Like any response, it is verified by its
   * state and login cookie.
   */
  @Post(['callback', 'callback/:provider'])
  async callbackByForm(
    @Req() request: Request,
    @Res() response: Response,
    @Param('provider') providerId?: string,
  ): Promise<void> {
    await this.#receive(request, response, await formOf(request), providerId);
  }

  async #receive(
    request: Request,
    response: Response,
    received: URLSearchParams,
    providerId: string | undefined,
  ): Promise<void> {
    refuseRepeatedParameters(received);
    const provider = this.providers.atCallback(providerId);
    const state = claimedState(provider, received);
    const window = windowOfResponse(request, response, state);
    const callback = { ...window, provider, received, state };
    await this.#attempt(callback, () =>
      this.#notifyingFailure(provider, () => this.#finish(callback)),
    );
  }

  #attempt(window: LoginWindow, work: () => Promise<void>): Promise<void> {
    const log = (msg: string, code: ErrorCode) => this.#logger.log({ msg, code });
    return reportingTo(window, this.options.returnUrl, log, work);
  }

  async #finish(callback: Callback): Promise<void> {
    const { request, response, provider, received } = callback;
    // Without a login cookie no signature is verified, so that forged callbacks cost little.
    if (!this.loginCookie.read(request)) return this.#withoutPendingLogin(callback);
    const authorizationResponse = await readAuthorizationResponse(provider, received, this.clock());
    const state = authorizationResponse.get('state');
    const taken = await this.#takePendingLogin(request, state, provider);
    if (!taken) return this.#withoutPendingLogin(callback);
    // `begunAt` was read before the code is redeemed, so a later logout also ends this sign-in.
    const { pending, begunAt } = taken;
    if (pending.connects !== undefined) refuseOtherSession(request, pending.connects);

    const now = this.clock();
    const finished = await finishLogin(provider, pending.secrets, authorizationResponse, now);
    const signIn = await this.admission.admit(callback, pending, finished);
    if (pending.connects !== undefined) {
      const connecting = { id: pending.connects, provider: provider.id, begunAt };
      await this.connections.connect(connecting, signIn);
      this.#logger.log({ msg: 'account connected', provider: provider.id });
      this.options.listener.signInCompleted(provider.id);
      return this.#redirect(callback, pending.returnUrl);
    }
    const { session: limits } = this.sessionOptions;
    const userAgent = request.headers['user-agent'];
    const session = beginSession(signIn, provider.id, userAgent, limits, { now, begunAt });
    await this.sessionCookie.issue(request, response, session, pending.replaces);
    this.#logger.log({ msg: 'signed in', provider: provider.id });
    this.options.listener.signInCompleted(provider.id);
    this.#redirect(callback, pending.returnUrl);
  }

  #redirect(window: LoginWindow, returnUrl: string): void {
    if (sendResult(window, this.options.returnUrl)) return;
    const { request, response } = window;
    const location = storedReturnUrl(returnUrl, this.options.returnUrl);
    this.navigations.returnsTo(location, request, response);
    redirectAfter(request, response, location);
  }

  /** Runs a step of a sign-in and notifies the listener if it fails. */
  async #notifyingFailure<T>(provider: Provider, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const code = error instanceof BffError ? error.code : 'internal_error';
      this.options.listener.signInFailed(provider.id, code);
      throw error;
    }
  }

  /**
   * Takes the pending login of this browser, provider and state, so that it cannot be used twice.
   * `begunAt` is the time of the store's clock, read in parallel.
   */
  async #takePendingLogin(
    request: Request,
    state: string | null,
    provider: Provider,
  ): Promise<{ readonly pending: PendingLogin; readonly begunAt: number } | undefined> {
    const bound = this.loginCookie.read(request);
    const binding = hasMark(state, 'connect') ? bound?.connect : bound?.login;
    if (!binding || !state) return undefined;
    // This comes before the state is used: if the provider's metadata cannot be fetched, the client
    // can send the same callback again.
    await provider.configuration();
    const [pending, begunAt] = await Promise.all([
      this.pendingLogins.take(binding, state),
      this.pendingLogins.storeTime(),
    ]);
    // Like a token, a code is sent only to the issuer and client that it was requested from.
    const isOurs = pending && this.providers.ofAccount(pending) === provider;
    return isOurs ? { pending, begunAt } : undefined;
  }

  /**
   * Handles a callback without a pending login: the back button, a reload or another user's link. A
   * signed-in user is redirected. If several tabs started a login at once, the browser kept one
   * login cookie; the other tabs retry once with it.
   */
  #withoutPendingLogin(callback: Callback): void {
    const { request, provider, state, kind } = callback;
    if (request.session.signedIn) {
      return this.#redirect(callback, this.options.returnUrl.defaultReturnUrl);
    }
    const mayTryAgain = isFirstTry(state) && this.loginCookie.read(request);
    const where = this.providers.all.length > 1 ? `&provider=${provider.id}` : '';
    const popup = kind === 'popup' ? '&popup=1' : '';
    const login = `${this.options.basePath}/login?${secondTry}=1${where}${popup}`;
    throw new BffError(
      'login_expired',
      mayTryAgain ? { headers: { Refresh: `0;url=${login}` } } : {},
    );
  }
}
