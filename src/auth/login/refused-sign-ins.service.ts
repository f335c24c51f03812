import { Inject, Injectable } from '@nestjs/common';
import { AccessService } from '../../access/access.service.ts';
import { accountChoicePrompt } from '../../oauth/login/account-choice.ts';
import type { SignIn } from '../../oauth/login/sign-in.ts';
import { LinkedAccountsService } from '../../session/sessions/linked-accounts.service.ts';
import type { PendingLogin } from '../../session/store/pending-logins.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import type { Callback } from './callback.ts';

/** Refuses users who may not sign in, and accounts that may not be connected. */
@Injectable()
export class RefusedSignInsService {
  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly access: AccessService,
    private readonly accounts: LinkedAccountsService,
  ) {}

  /**
   * Judges a sign-in that is complete except for its session. If a rule refuses it, revokes its
   * tokens in the background and throws `not_allowed` with a `loginUrl` for another account. A
   * session of this browser stays.
   */
  async check(callback: Callback, pending: PendingLogin, signIn: SignIn): Promise<void> {
    const { request, provider } = callback;
    const refusal = this.access.signInRefusal(signIn.claims);
    if (!refusal) return;
    const { connects, replaces } = pending;
    const kept = [request.session.signedIn?.id, connects, replaces];
    this.accounts.discard(signIn, provider.id, new Set(kept.filter((id) => id !== undefined)));
    const loginUrl = await this.#otherAccount(callback, pending);
    throw this.access.refused(refusal, connects === undefined ? 'sign-in' : 'connect', {
      loginUrl,
    });
  }

  /** The URL that starts the same sign-in or connection again with another account. */
  async #otherAccount({ provider }: Callback, pending: PendingLogin): Promise<string> {
    const { basePath } = this.options;
    const isConnect = pending.connects !== undefined;
    const query = new URLSearchParams({
      prompt: await accountChoicePrompt(provider),
      ...(!isConnect && { provider: provider.id }),
      returnUrl: pending.returnUrl,
    });
    return `${basePath}/${isConnect ? `connect/${provider.id}` : 'login'}?${query}`;
  }
}
