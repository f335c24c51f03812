import { Inject, Injectable } from '@nestjs/common';
import type { HookedClaims } from '../../oauth/hook/sign-in-hook.ts';
import type { SignIn } from '../../oauth/login/login.ts';
import { SIGN_IN_HOOK } from '../../oauth/oauth.providers.ts';
import { everywhere } from '../sessions/linked-accounts.ts';
import { LinkedAccountsService } from '../sessions/linked-accounts.service.ts';
import { SessionStore } from '../sessions/session-store.ts';

/** Decides whether a completed sign-in may become a session or a connected account. */
@Injectable()
export class SignInAdmissionService {
  constructor(
    @Inject(SIGN_IN_HOOK) private readonly hook: HookedClaims | undefined,
    private readonly store: SessionStore,
    private readonly connections: LinkedAccountsService,
  ) {}

  /**
   * Returns the sign-in with the claims of the hook. Throws `not_allowed` or `hook_unavailable`,
   * and then revokes its tokens. `beside` has the ids of sessions that the browser keeps.
   */
  async admit(
    provider: string,
    signIn: SignIn,
    beside: readonly (string | undefined)[],
  ): Promise<SignIn> {
    if (!this.hook) return signIn;
    const { sub, claims } = signIn;
    try {
      const hooked = await this.hook({ event: 'sign_in', provider, sub, claims });
      return { ...signIn, claims: hooked };
    } catch (error) {
      void this.discard(provider, signIn, beside);
      throw error;
    }
  }

  /**
   * Revokes the tokens of a sign-in that is refused. The grants of the sessions `beside` it stay:
   * many providers use one grant for all sign-ins of a user. Never rejects.
   */
  async discard(
    provider: string,
    signIn: SignIn,
    beside: readonly (string | undefined)[],
  ): Promise<void> {
    const ids = beside.filter((id) => id !== undefined);
    try {
      const sessions = await Promise.all(ids.map((id) => this.store.read(id)));
      const kept = sessions.flatMap((session) => (session ? everywhere(session) : []));
      await this.connections.revoke({ ...signIn, provider }, kept);
    } catch {
      // Without the store it is unknown which grants are in use. The tokens expire unused.
    }
  }
}
