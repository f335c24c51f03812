import type { Sealing } from '../../session/store/sealing.ts';

const label = 'logout state';

/**
 * The `state` of a logout request (OIDC RP-Initiated Logout §2): the return URL itself, sealed, so
 * that it needs no storage and a forged one opens to nothing.
 */
export class LogoutState {
  constructor(private readonly sealing: Sealing) {}

  seal(returnUrl: string): string {
    return this.sealing.seal(returnUrl, label);
  }

  /** The return URL, or `undefined` for a state that is not ours. */
  open(state: string): string | undefined {
    return this.sealing.open(state, label);
  }
}
