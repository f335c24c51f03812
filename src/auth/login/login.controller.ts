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
import type { LoginParameters } from '../../oauth/login/login.ts';
import type { Provider } from '../../oauth/provider/provider.ts';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { LoginCookieService } from '../../session/cookie/login-cookie.service.ts';
import { PendingLogins } from '../../session/store/pending-logins.ts';
import { SignedOutNavigationService } from '../../session/navigation/signed-out-navigation.service.ts';
import { SessionReaderService } from '../../session/sessions/session-reader.service.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { type Callback, redirectAfter } from './callback.ts';
import { SignInCompletionService, type TakenLogin } from './sign-in-completion.service.ts';
import { interactionPath } from './interaction-path.ts';
import { sendChooserPage } from './chooser-page.ts';
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
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly providers: ProviderRegistry,
    private readonly outgoing: OutgoingLoginsService,
    private readonly pendingLogins: PendingLogins,
    private readonly loginCookie: LoginCookieService,
    private readonly sessions: SessionReaderService,
    private readonly navigations: SignedOutNavigationService,
    private readonly completion: SignInCompletionService,
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
    const choices = providerChoices(this.providers, `${basePath}/login`, parameters);
    sendChooserPage(response, returnUrl.publicUrl, choices);
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
    const { request, provider, received } = callback;
    // Without a login cookie no signature is verified, so that forged callbacks cost little.
    if (!this.loginCookie.read(request)) return this.#withoutPendingLogin(callback);
    const authorizationResponse = await readAuthorizationResponse(provider, received, this.clock());
    const state = authorizationResponse.get('state');
    const taken = await this.#takePendingLogin(request, state, provider);
    if (!taken) return this.#withoutPendingLogin(callback);
    const { authorizes, returnUrl } = taken.pending;
    if (authorizes !== undefined)
      return this.#finishForClient(callback, taken, authorizes, authorizationResponse);
    await this.completion.complete(callback, taken, authorizationResponse);
    this.#redirect(callback, returnUrl);
  }

  /** Returns to the page of the client's request. It also hears when the user denies the sign-in. */
  async #finishForClient(
    callback: Callback,
    taken: TakenLogin,
    authorizationRequest: string,
    authorizationResponse: URLSearchParams,
  ): Promise<void> {
    const { request, response, provider } = callback;
    const path = interactionPath(this.options.basePath, authorizationRequest);
    try {
      await this.completion.complete(callback, taken, authorizationResponse);
    } catch (error) {
      if (!(error instanceof BffError) || error.code !== 'login_denied') throw error;
      this.options.listener.signInFailed(provider.id, error.code);
      return redirectAfter(request, response, `${path}?denied=1`);
    }
    redirectAfter(request, response, path);
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
  ): Promise<TakenLogin | undefined> {
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
    return isOurs ? { pending, binding, begunAt } : undefined;
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
