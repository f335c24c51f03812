import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { type LoginParameters, startLogin } from '../oauth/login.ts';
import type { Provider } from '../oauth/provider.ts';
import { type AccountProvider, Providers } from '../oauth/providers.ts';
import { LoginCookie } from '../session/login-cookie.service.ts';
import { type PendingLogin, PendingLogins } from '../session/pending-logins.ts';

/** A login that is to begin. */
export interface OutgoingLogin extends Omit<PendingLogin, keyof AccountProvider | 'secrets'> {
  readonly parameters: LoginParameters;
  /** Ends its state. */
  readonly mark: string;
}

/** Sends browsers to authorization servers, bound to them by the login cookie. */
@Injectable()
export class OutgoingLogins {
  constructor(
    private readonly providers: Providers,
    private readonly pendingLogins: PendingLogins,
    private readonly loginCookie: LoginCookie,
  ) {}

  /** Where to send the browser, once its login is noted and its cookie set. Throws what `startLogin` throws. */
  async begin(
    request: Request,
    response: Response,
    provider: Provider,
    { parameters, mark, ...wanted }: OutgoingLogin,
  ): Promise<URL> {
    const redirectUri = this.providers.redirectUri(provider);
    const { url, secrets } = await startLogin(provider, redirectUri, parameters, mark);
    const isConnect = wanted.connects !== undefined;
    const bound = this.loginCookie[isConnect ? 'forConnect' : 'forLogin'](request);
    const { issuer, clientId } = provider.options;
    const at: AccountProvider = { provider: provider.id, issuer, clientId };
    await this.pendingLogins.put(bound.binding, { ...at, secrets, ...wanted });
    this.loginCookie.set(response, bound);
    return url;
  }
}
