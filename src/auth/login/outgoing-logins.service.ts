import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { type LoginParameters, newState, startLogin } from '../../oauth/login/login.ts';
import type { Provider } from '../../oauth/provider/provider.ts';
import { type AccountProvider, ProviderRegistry } from '../../oauth/provider-registry.ts';
import { LoginCookieService } from '../../session/cookie/login-cookie.service.ts';
import {
  type LoginSlot,
  type PendingLogin,
  PendingLogins,
} from '../../session/store/pending-logins.ts';

/** A login that is about to start. */
export interface OutgoingLogin extends Omit<PendingLogin, keyof AccountProvider | 'secrets'> {
  readonly parameters: LoginParameters;
  /** The suffix of its `state`. */
  readonly mark: string;
}

/**
 * Redirects browsers to authorization servers. The login cookie binds each login to its browser.
 */
@Injectable()
export class OutgoingLoginsService {
  constructor(
    private readonly providers: ProviderRegistry,
    private readonly pendingLogins: PendingLogins,
    private readonly loginCookie: LoginCookieService,
  ) {}

  /**
   * Stores a pending login, sets its cookie and returns the URL to redirect the browser to. Throws
   * the errors of `startLogin`, and `rate_limited` if too many logins are pending.
   */
  async begin(
    request: Request,
    response: Response,
    provider: Provider,
    { parameters, mark, ...login }: OutgoingLogin,
  ): Promise<URL> {
    const redirectUri = this.providers.redirectUri(provider);
    const isConnect = login.connects !== undefined;
    const bound = this.loginCookie[isConnect ? 'forConnect' : 'forLogin'](request);
    const state = newState(mark);
    const admitted = this.pendingLogins.takeSlot(bound.binding, state);
    const start = startLogin(provider, redirectUri, parameters, { state, admitted });
    const { url, secrets } = await this.#freeingSlotOnFailure(admitted, start);
    const { issuer, clientId } = provider.options;
    const at: AccountProvider = { provider: provider.id, issuer, clientId };
    // If this fails, Redis may have stored the record anyway, so its slot is not freed.
    await this.pendingLogins.put(await admitted, { ...at, secrets, ...login });
    this.loginCookie.set(response, bound);
    return url;
  }

  /** Frees the slot of a login that fails to start. */
  async #freeingSlotOnFailure<T>(slot: Promise<LoginSlot>, start: Promise<T>): Promise<T> {
    try {
      return await start;
    } catch (error) {
      const free = (taken: LoginSlot) => this.pendingLogins.freeSlot(taken);
      await slot.then(free, () => undefined);
      throw error;
    }
  }
}
