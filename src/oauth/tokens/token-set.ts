import type { TokenEndpointResponse, TokenEndpointResponseHelpers } from 'openid-client';
import { BffError } from '../../errors.ts';
import type { DpopKey } from '../client/dpop.ts';

/** The tokens of one sign-in. They are stored only in the encrypted session. */
export interface TokenSet {
  readonly accessToken: string;
  /**
   * Epoch milliseconds. `undefined` if the provider did not send `expires_in`. The token is then
   * used until an upstream refuses it (RFC 6749 §5.1).
   */
  readonly expiresAt?: number;
  /** Epoch milliseconds. */
  readonly obtainedAt: number;
  readonly refreshToken?: string;
  /**
   * When the refresh token expires, in epoch milliseconds. `undefined` if there is none or the
   * provider did not say.
   */
  readonly refreshExpiresAt?: number;
  /** Kept as `id_token_hint` for logout (OIDC RP-Initiated Logout §2). */
  readonly idToken?: string;
  readonly scope?: string;
  /**
   * When the access token was last replaced because an upstream refused it, in epoch milliseconds.
   * Copied to tokens that are issued in the next 30 seconds.
   */
  readonly refusedAt?: number;
  /** The DPoP key of the tokens (RFC 9449). `undefined` for bearer tokens. */
  readonly dpopKey?: DpopKey;
}

/** The value of the `Authorization` header for an access token (RFC 6750 §2.1, RFC 9449 §7.1). */
export function authorizationOf({ accessToken, dpopKey }: TokenSet): string {
  return dpopKey ? `DPoP ${accessToken}` : `Bearer ${accessToken}`;
}

/**
 * The maximum length of an access or refresh token, in characters. Servers refuse longer headers,
 * and longer tokens would bloat the session.
 */
const longestToken = 32 * 1024;

/**
 * The maximum length of an ID token, in characters. It allows for claims of `longestClaims`,
 * encoded and signed.
 */
const longestIdToken = 128 * 1024;

type TokenResponse = TokenEndpointResponse & TokenEndpointResponseHelpers;

/**
 * Reads a successful token response (RFC 6749 §5.1). Values that a refresh omits, including the
 * DPoP key, are taken from `before` (RFC 6749 §6). Throws `login_failed` for a wrong token type, or
 * for a token that is too long or cannot be sent in a header.
 */
export function readTokenSet(
  response: TokenResponse,
  now: number,
  before: Partial<TokenSet> = {},
): TokenSet {
  const { dpopKey } = before;
  // "If the token type is not DPoP … the client MUST discard the response" (RFC 9449 §5): the token
  // would not be bound to a key.
  if (response.token_type.toLowerCase() !== (dpopKey ? 'dpop' : 'bearer')) {
    throw unacceptable(`token_type ${response.token_type}`);
  }
  // Tokens are sent in a header, so only visible ASCII is allowed.
  if (!/^[\x21-\x7e]+$/.test(response.access_token)) {
    throw unacceptable('an access token with characters that cannot be sent');
  }
  checkLengths(response);
  const seconds = response.expiresIn();
  const refreshToken = response.refresh_token || before.refreshToken;
  const idToken = response.id_token || before.idToken;
  const scope = response.scope || before.scope;
  const refreshExpiresAt = refreshToken && refreshExpiry(response, now, before);
  return {
    accessToken: response.access_token,
    obtainedAt: now,
    ...(seconds !== undefined && { expiresAt: now + seconds * 1000 }),
    ...(refreshToken && { refreshToken }),
    ...(refreshExpiresAt && { refreshExpiresAt }),
    ...(idToken && { idToken }),
    ...(scope && { scope }),
    ...(dpopKey && { dpopKey }),
  };
}

function checkLengths(response: TokenResponse): void {
  const {
    access_token: accessToken,
    refresh_token: refreshToken = '',
    id_token: idToken,
  } = response;
  if (accessToken.length > longestToken) throw unacceptable('an access token that is too long');
  if (refreshToken.length > longestToken) throw unacceptable('a refresh token that is too long');
  if (idToken && idToken.length > longestIdToken)
    throw unacceptable('an ID token that is too long');
}

/**
 * The lifetime of the refresh token. No RFC defines it: Keycloak and others send
 * `refresh_expires_in`, Microsoft and GitHub `refresh_token_expires_in`.
 */
function refreshExpiry(
  response: TokenResponse,
  now: number,
  before: Partial<TokenSet>,
): number | undefined {
  const stated =
    lifetime(response['refresh_expires_in']) ?? lifetime(response['refresh_token_expires_in']);
  if (stated !== undefined) return now + stated;
  const isAnother = response.refresh_token && response.refresh_token !== before.refreshToken;
  return isAnother ? undefined : before.refreshExpiresAt;
}

/** Returns a lifetime in milliseconds, or `undefined` if it is zero or not plausible. */
function lifetime(seconds: unknown): number | undefined {
  const isNumeral = typeof seconds === 'string' && /^\d+$/.test(seconds);
  const number = isNumeral ? Number(seconds) : seconds;
  // A longer lifetime is not plausible and might exceed the range of dates.
  const isPlausible = typeof number === 'number' && number > 0 && number < 1e10;
  return isPlausible ? Math.floor(number * 1000) : undefined;
}

function unacceptable(what: string): BffError {
  return new BffError('login_failed', { cause: new Error(`the token endpoint sent ${what}`) });
}
