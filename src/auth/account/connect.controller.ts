import {
  Controller,
  Get,
  HttpCode,
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
import type { Provider } from '../../oauth/provider/provider.ts';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import { LinkedAccountsService } from '../../session/sessions/linked-accounts.service.ts';
import type { Session } from '../../session/sessions/session.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { markSuffix } from '../login/login-mark.ts';
import { loginParameters, refuseHiddenLogin, refuseOtherSites } from '../login/login-request.ts';
import { reportingTo, windowOfLogin } from '../login/login-window.ts';
import { OutgoingLoginsService } from '../login/outgoing-logins.service.ts';
import { parameter, queryOf } from '../../http/query.ts';
import { validatedReturnUrl } from '../login/return-url.ts';

/**
 * Connects accounts at further providers to the current session. They share the callback of
 * sign-ins.
 */
@Controller({ version: VERSION_NEUTRAL })
export class ConnectController {
  readonly #logger = new Logger(ConnectController.name);

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly providers: ProviderRegistry,
    private readonly outgoing: OutgoingLoginsService,
    private readonly connections: LinkedAccountsService,
  ) {}

  /** `GET /bff/connect/{provider}`, a navigation with the parameters of `login`. */
  @Get('connect/:provider')
  async connect(
    @Req() request: Request,
    @Res() response: Response,
    @Param('provider') providerId: string,
  ): Promise<void> {
    const query = queryOf(request);
    const returnUrl = validatedReturnUrl(parameter(query, 'returnUrl'), this.options.returnUrl);
    const provider = this.providers.get(providerId);
    const parameters = loginParameters(query, provider.options.loginParams);
    refuseHiddenLogin(request.headers, parameters);
    refuseOtherSites(request.headers);
    const connects = this.#sessionOfOtherProvider(provider, request).id;

    const window = windowOfLogin(request, response, query, {});
    const mark = markSuffix({ connect: true, popup: window.kind === 'popup' });
    const login = { parameters, mark, returnUrl, connects };
    const log = (msg: string, code: ErrorCode) => this.#logger.log({ msg, code });
    await reportingTo(window, this.options.returnUrl, log, async () => {
      const url = await this.outgoing.begin(request, response, provider, login);
      this.options.listener.signInStarted(provider.id);
      response.redirect(url.href);
    });
  }

  /** `POST /bff/disconnect/{provider}`, with the CSRF header. */
  @Post('disconnect/:provider')
  @HttpCode(204)
  async disconnect(@Req() request: Request, @Param('provider') providerId: string): Promise<void> {
    const provider = this.providers.get(providerId);
    const { id } = this.#sessionOfOtherProvider(provider, request);
    const isDone = await this.connections.disconnect(id, provider.id);
    if (isDone) this.#logger.log({ msg: 'account disconnected', provider: provider.id });
  }

  /**
   * Returns the session of the request. Throws `not_signed_in`, or `invalid_request` if the session
   * itself comes from this provider: `login` and `logout` begin and end that one.
   */
  #sessionOfOtherProvider(provider: Provider, { session: { signedIn } }: Request): Session {
    if (!signedIn) throw new BffError('not_signed_in');
    if (signedIn.provider !== provider.id) return signedIn;
    const cause = new Error(`the session is one of ${provider.id} itself`);
    throw new BffError('invalid_request', { cause });
  }
}
