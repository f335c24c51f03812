import { createHash } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import type { IDToken } from 'openid-client';
import { BffError } from '../../errors.ts';

/** How far the provider's clock may be ahead of ours, in milliseconds. */
const clockTolerance = 5 * 60 * 1000;

/** The maximum age of an ID token at sign-in, which allows for any clock skew, in milliseconds. */
const oldest = 24 * 60 * 60 * 1000;

/**
 * The context of the checks on an ID token. openid-client has already verified its signature,
 * `iss`, `aud`, `exp` and `nonce`.
 */
export interface IdTokenContext {
  /** The encoded token that `claims` were read from. */
  readonly encoded: string;
  /** The access token of the same response. */
  readonly accessToken: string;
  readonly clientId: string;
  /** The current time in epoch milliseconds. */
  readonly now: number;
}

/**
 * Makes the checks of OIDC Core §3.1.3.7 and §3.1.3.8 that openid-client does not make: `azp`,
 * `iat` and `at_hash`. Throws `login_failed`.
 */
export function checkIdToken(claims: IDToken, context: IdTokenContext): void {
  const { encoded, accessToken, clientId, now } = context;
  // "If an azp Claim is present, the Client SHOULD verify that its client_id is the Claim Value",
  // even with a single audience.
  if (claims.azp !== undefined && claims.azp !== clientId)
    throw refused('for another client (azp)');
  if (claims.iat * 1000 > now + clockTolerance) throw refused('from the future (iat)');
  // `at_hash` binds the two tokens of one response, so neither can be swapped for another's.
  const { at_hash: hash } = claims;
  if (hash !== undefined && hash !== accessTokenHash(encoded, accessToken)) {
    throw refused('for another access token (at_hash)');
  }
}

/**
 * Throws `login_failed` if the ID token of a sign-in is older than 24 hours: "The iat Claim can be
 * used to reject tokens that were issued too far away from the current time" (OIDC Core §3.1.3.7).
 * Also refuses an `auth_time` in the future, which would defeat `max_age`.
 */
export function checkFreshness({ iat, auth_time: authTime }: IDToken, now: number): void {
  if (iat * 1000 < now - oldest) throw refused('that is too old (iat)');
  if (authTime !== undefined && authTime * 1000 > now + clockTolerance) {
    throw refused('of a sign-in that is still to come (auth_time)');
  }
}

/**
 * Reads when the provider's session ends, in epoch milliseconds (`session_expiry`, OpenID Connect
 * Enterprise Extensions). `undefined` if the claim is missing or not a valid time.
 */
export function readSessionExpiry(claims: Readonly<Record<string, unknown>>): number | undefined {
  const { session_expiry: seconds } = claims;
  if (typeof seconds !== 'number' || seconds <= 0) return undefined;
  const expiry = Math.floor(seconds * 1000);
  return Number.isSafeInteger(expiry) ? expiry : undefined;
}

/** The left half of the access token's hash, by the signature's algorithm (OIDC Core §3.1.3.6). */
function accessTokenHash(idToken: string, accessToken: string): string {
  const { alg = '' } = decodeProtectedHeader(idToken);
  // `Ed25519` has no number in its name. Its hash is SHA-512.
  const bits = /(256|384|512)$/.exec(alg)?.[1] ?? '512';
  const digest = createHash(`sha${bits}`).update(accessToken).digest();
  return digest.subarray(0, digest.length / 2).toString('base64url');
}

function refused(what: string): BffError {
  return new BffError('login_failed', {
    cause: new Error(`the provider sent an ID token ${what}`),
  });
}
