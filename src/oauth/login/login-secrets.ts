import type { DpopKey } from '../client/dpop.ts';

/**
 * The values of one authorization request that are needed when its response arrives. They are
 * secret and must not reach the browser unencrypted.
 */
export interface LoginSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  readonly redirectUri: string;
  /** Seconds. Optional. `auth_time` is checked only if `max_age` was requested. */
  readonly maxAge?: number;
  /** The key to bind the tokens to. Optional. */
  readonly dpopKey?: DpopKey;
  /**
   * Accepted `acr` values, separated by spaces. Optional. `acr` is checked only if `acr_values` was
   * requested.
   */
  readonly acrValues?: string;
}
