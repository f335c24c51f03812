import type { Sealing } from '../../session/store/sealing.ts';

const label = 'logout state';

/**
 * The `state` of a logout request (OIDC RP-Initiated Logout §2). It is the encrypted return URL, so
 * it needs no storage, and a forged state cannot be decrypted.
 */
export class LogoutState {
  constructor(private readonly sealing: Sealing) {}

  /** Encrypts the return URL. */
  seal(returnUrl: string): string {
    return this.sealing.seal(returnUrl, label);
  }

  /** Decrypts the return URL. Returns `undefined` if this BFF did not create the state. */
  open(state: string): string | undefined {
    return this.sealing.open(state, label);
  }
}
