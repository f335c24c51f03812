import type { Claims } from '../login/claims.ts';

/** An access token of a client that was verified, by its signature or by introspection. */
export interface VerifiedToken {
  /** The issuer identifier of the authorization server, as configured in `bearer.issuers`. */
  readonly issuer: string;
  /** The subject. `undefined` for an opaque token whose introspection response has none. */
  readonly sub?: string;
  /** All claims of the token, or all members of the introspection response. */
  readonly claims: Claims;
  readonly scopes: readonly string[];
  /** The end of the token (`exp`), in epoch milliseconds. */
  readonly expiresAt: number;
  /**
   * The JWK thumbprint of the key that the token is bound to (`cnf.jkt`, RFC 9449 §6). Such a token
   * is valid only together with a DPoP proof. `undefined` if it is not bound to a key.
   */
  readonly keyThumbprint?: string;
  /** The authentication context class of the sign-in behind the token (RFC 9068 §2.2.1). */
  readonly acr?: string;
  /** When the user last signed in (`auth_time`, RFC 9068 §2.2.1), in epoch milliseconds. */
  readonly authTime?: number;
}
