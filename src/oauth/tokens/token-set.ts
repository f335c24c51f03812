import type { TokenEndpointResponse, TokenEndpointResponseHelpers } from 'openid-client';
import { BffError } from '../../errors.ts';
import type { DpopKey } from '../client/dpop.ts';

/** The tokens of one sign-in. They live in the sealed session and nowhere else. */
export interface TokenSet {
  readonly accessToken: string;
  /**
   * Epoch milliseconds. Absent: the provider did not say; the token is used until it is refused
   * (RFC 6749 §5.1).
   */
  readonly expiresAt?: number;
  /** Epoch milliseconds. */
  readonly obtainedAt: number;
  readonly refreshToken?: string;
  /**
   * When the refresh token ends, in epoch milliseconds. Absent: there is none, or the provider did
   * not say.
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
  /** The key they are bound to (RFC 9449). Absent: whoever has them can use them. */
  readonly dpopKey?: DpopKey;
}

/**
 * More than any server takes in a header; what is longer would make every call fail, and the
 * session a burden. In characters.
 */
const longestToken = 32 * 1024;

/**
 * An ID token holds as many claims as a session may (see `claims.ts`), encoded, with its signature.
 * In characters.
 */
const longestIdToken = 128 * 1024;

type TokenResponse = TokenEndpointResponse & TokenEndpointResponseHelpers;

/**
 * Reads a successful token response (RFC 6749 §5.1). What the answer to a refresh leaves out, stays
 * as it was `before` (RFC 6749 §6), the key they are bound to for one. Throws `login_failed` for
 * tokens of another type than was asked for, and for one that could not be sent as a header.
 */
export function readTokenSet(
  response: TokenResponse,
  now: number,
  before: Partial<TokenSet> = {},
): TokenSet {
  const { dpopKey } = before;
  // "If the token type is not DPoP … the client MUST discard the response" (RFC 9449 §5): no key
  // would protect it.
  if (response.token_type.toLowerCase() !== (dpopKey ? 'dpop' : 'bearer')) {
    throw unacceptable(`token_type ${response.token_type}`);
  }
  // A token is sent in a header: visible ASCII only, whatever the provider says it is.
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
  if (accessToken.length > longestToken) throw unacceptable('an access token without end');
  if (refreshToken.length > longestToken) throw unacceptable('a refresh token without end');
  if (idToken && idToken.length > longestIdToken) throw unacceptable('an ID token without end');
}

/**
 * No RFC has a word for it: Keycloak and others say `refresh_expires_in`, Microsoft and GitHub
 * `refresh_token_expires_in`.
 */
function refreshExpiry(
  response: TokenResponse,
  now: number,
  before: Partial<TokenSet>,
): number | undefined {
  const said =
    lifetime(response['refresh_expires_in']) ?? lifetime(response['refresh_token_expires_in']);
  if (said !== undefined) return now + said;
  const isAnother = response.refresh_token && response.refresh_token !== before.refreshToken;
  return isAnother ? undefined : before.refreshExpiresAt;
}

/** Milliseconds. Zero means "no end that is known", and what is no number says nothing. */
function lifetime(seconds: unknown): number | undefined {
  const isNumeral = typeof seconds === 'string' && /^\d+$/.test(seconds);
  const number = isNumeral ? Number(seconds) : seconds;
  // Longer than that is no statement about a token, and might not be a date any more.
  const isSane = typeof number === 'number' && number > 0 && number < 1e10;
  return isSane ? Math.floor(number * 1000) : undefined;
}

function unacceptable(what: string): BffError {
  return new BffError('login_failed', { cause: new Error(`the token endpoint sent ${what}`) });
}
