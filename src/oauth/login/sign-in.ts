import type { TokenSet } from '../tokens/token-set.ts';
import type { Claims, ClaimSources } from './claims.ts';

/** The result of a successful sign-in. */
export interface SignIn {
  readonly issuer: string;
  /** The client that the tokens were issued to. */
  readonly clientId: string;
  readonly sub: string;
  readonly claims: Claims;
  readonly tokens: TokenSet;
  /** Where the claims come from. Sessions of earlier releases have none. */
  readonly sources?: ClaimSources;
  /**
   * The provider's session identifier, which its logout tokens contain. `undefined` if the provider
   * sent none.
   */
  readonly sid?: string;
  /**
   * When the provider's session ends (`session_expiry`), in epoch milliseconds. `undefined` if the
   * provider sent none.
   */
  readonly sessionExpiry?: number;
  /** OIDC Session Management `session_state`. `undefined` if the provider sent none. */
  readonly sessionState?: string;
  /** How the user authenticated (`acr` of the ID token). `undefined` if the provider sent none. */
  readonly acr?: string;
  /** When the user authenticated (`auth_time`), in epoch milliseconds. `undefined` if not sent. */
  readonly authTime?: number;
}
