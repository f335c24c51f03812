import { Inject, Injectable } from '@nestjs/common';
import { AccessService } from '../../access/access.service.ts';
import { BffError } from '../../errors.ts';
import { accountChoicePrompt } from '../../oauth/login/account-choice.ts';
import type { SignIn } from '../../oauth/login/sign-in.ts';
import { ClaimsPolicy } from '../../session/claims/claims-policy.ts';
import { LinkedAccountsService } from '../../session/sessions/linked-accounts.service.ts';
import type { PendingLogin } from '../../session/store/pending-logins.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import type { Callback } from './callback.ts';
import { interactionPath } from './interaction-path.ts';

/** Decides whether a completed sign-in may become a session or a connected account. */
@Injectable()
export class SignInAdmissionService {
  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly policy: ClaimsPolicy,
    private readonly access: AccessService,
    private readonly accounts: LinkedAccountsService,
  ) {}

  /**
   * Runs the hook and returns the sign-in with the claims to keep, if the hook and the rules admit
   * it. Otherwise revokes its tokens in the background and throws `not_allowed` with a `loginUrl`
   * for another account, or `hook_unavailable`. An existing session of this browser stays.
   */
  async admit(callback: Callback, pending: PendingLogin, signIn: SignIn): Promise<SignIn> {
    try {
      const hooked = await this.#hooked(callback, signIn);
      const refusal = this.access.signInRefusal(hooked.claims);
      if (!refusal) return hooked;
      const at = pending.connects === undefined ? 'sign-in' : 'connect';
      throw this.access.refused(refusal, at);
    } catch (error) {
      this.#discard(callback, pending, signIn);
      if (!(error instanceof BffError) || error.code !== 'not_allowed') throw error;
      const { cause, extensions } = error;
      const loginUrl = await this.#otherAccount(callback, pending);
      throw new BffError('not_allowed', { cause, extensions: { ...extensions, loginUrl } });
    }
  }

  async #hooked({ provider }: Callback, signIn: SignIn): Promise<SignIn> {
    const claims = await this.policy.resolve('sign_in', provider.id, signIn);
    const { sources } = signIn;
    const userInfo = sources?.userInfo && this.policy.stored(sources.userInfo);
    return { ...signIn, claims, ...(sources && userInfo && { sources: { ...sources, userInfo } }) };
  }

  #discard({ request, provider }: Callback, pending: PendingLogin, signIn: SignIn): void {
    const { connects, replaces } = pending;
    const kept = [request.session.signedIn?.id, connects, replaces];
    this.accounts.discard(signIn, provider.id, new Set(kept.filter((id) => id !== undefined)));
  }

  /** The URL that starts the same sign-in or connection again with another account. */
  async #otherAccount({ provider }: Callback, pending: PendingLogin): Promise<string> {
    const { basePath } = this.options;
    if (pending.authorizes !== undefined)
      return `${interactionPath(basePath, pending.authorizes)}?account=other`;
    const isConnect = pending.connects !== undefined;
    const query = new URLSearchParams({
      prompt: await accountChoicePrompt(provider),
      ...(!isConnect && { provider: provider.id }),
      returnUrl: pending.returnUrl,
    });
    return `${basePath}/${isConnect ? `connect/${provider.id}` : 'login'}?${query}`;
  }
}
