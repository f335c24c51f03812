import type { TokenEndpointResponse, TokenEndpointResponseHelpers } from 'openid-client';
import { BffError } from '../errors.ts';

/** The tokens of one sign-in. They live in the sealed session and nowhere else. */
export interface TokenSet {
  readonly accessToken: string;
  /** Epoch milliseconds. Absent: the provider did not say; the token is used until it is refused (RFC 6749 §5.1). */
  readonly expiresAt?: number;
  /** Epoch milliseconds. */
  readonly obtainedAt: number;
  readonly refreshToken?: string;
  /** Kept as `id_token_hint` for logout (OIDC RP-Initiated Logout §2). */
  readonly idToken?: string;
  readonly scope?: string;
}

/** Reads a successful token response (RFC 6749 §5.1). Throws `login_failed` for a token that could not be sent as a header. */
export function readTokenSet(
  response: TokenEndpointResponse & TokenEndpointResponseHelpers,
  now: number,
): TokenSet {
  if (response.token_type.toLowerCase() !== 'bearer') {
    throw unacceptable(`token_type ${response.token_type}`);
  }
  // A token is sent in a header: visible ASCII only, whatever the provider says it is.
  if (!/^[\x21-\x7e]+$/.test(response.access_token)) {
    throw unacceptable('an access token with characters that cannot be sent');
  }
  const seconds = response.expiresIn();
  return {
    accessToken: response.access_token,
    obtainedAt: now,
    ...(seconds !== undefined && { expiresAt: now + seconds * 1000 }),
    ...(response.refresh_token && { refreshToken: response.refresh_token }),
    ...(response.id_token && { idToken: response.id_token }),
    ...(response.scope && { scope: response.scope }),
  };
}

function unacceptable(what: string): BffError {
  return new BffError('login_failed', { cause: new Error(`the token endpoint sent ${what}`) });
}
