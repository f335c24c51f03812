import type { Claims } from '../login/claims.ts';

/** An access token of another authorization server that was verified. */
export interface VerifiedToken {
  readonly issuer: string;
  /** The subject. `undefined` if the token has none. */
  readonly sub?: string;
  readonly claims: Claims;
  readonly scopes: readonly string[];
  /** The end of the token, in epoch milliseconds. */
  readonly expiresAt: number;
  /** The JWK thumbprint of the key that it is bound to (`cnf.jkt`). `undefined` if it is not. */
  readonly keyThumbprint?: string;
  /** How the user authenticated. `undefined` if the token does not say. */
  readonly acr?: string;
  /** When the user authenticated, in epoch milliseconds. `undefined` if the token does not say. */
  readonly authTime?: number;
}
