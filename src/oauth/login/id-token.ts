import { createHash } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import type { IDToken } from 'openid-client';
import { BffError } from '../../errors.ts';

/** How far the provider's clock may be ahead of ours, in milliseconds. */
const clockTolerance = 5 * 60 * 1000;

/** An older token was not made for a sign-in of today, whatever the clocks, in milliseconds. */
const oldest = 24 * 60 * 60 * 1000;

/**
 * What an ID token is judged against, beside what openid-client has verified: signature, `iss`,
 * `aud`, `exp`, `nonce`.
 */
export interface IdTokenContext {
  /** The token itself, of which `claims` have been read. */
  readonly encoded: string;
  /** What came with it. */
  readonly accessToken: string;
  readonly clientId: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * The checks of OIDC Core §3.1.3.7 and §3.1.3.8 that the library leaves to its users. Throws
 * `login_failed`.
 */
export function checkIdToken(claims: IDToken, context: IdTokenContext): void {
  const { encoded, accessToken, clientId, now } = context;
  // "If an azp Claim is present, the Client SHOULD verify that its client_id is the Claim Value",
  // however many audiences.
  if (claims.azp !== undefined && claims.azp !== clientId)
    throw refused('for another client (azp)');
  if (claims.iat * 1000 > now + clockTolerance) throw refused('from the future (iat)');
  // It binds the two tokens of one answer: neither can be exchanged for that of another sign-in.
  const { at_hash: hash } = claims;
  if (hash !== undefined && hash !== accessTokenHash(encoded, accessToken)) {
    throw refused('for another access token (at_hash)');
  }
}

/**
 * That an ID token was made for the sign-in it came with: "The iat Claim can be used to reject
 * tokens that were issued too far away from the current time" (OIDC Core §3.1.3.7). Nobody can have
 * authenticated in the future either, however `max_age` is reckoned. Throws `login_failed`.
 */
export function checkFreshness({ iat, auth_time: authTime }: IDToken, now: number): void {
  if (iat * 1000 < now - oldest) throw refused('of another day (iat)');
  if (authTime !== undefined && authTime * 1000 > now + clockTolerance) {
    throw refused('of a sign-in that is still to come (auth_time)');
  }
}

/**
 * When the provider's own session ends (`session_expiry`, OpenID Connect Enterprise Extensions), in
 * epoch milliseconds. Absent: the claim is, or is no time.
 */
export function readSessionExpiry(claims: Readonly<Record<string, unknown>>): number | undefined {
  const { session_expiry: seconds } = claims;
  if (typeof seconds !== 'number' || seconds <= 0) return undefined;
  const expiry = Math.floor(seconds * 1000);
  return Number.isSafeInteger(expiry) ? expiry : undefined;
}

/** The left half of a hash by the algorithm of the signature (OIDC Core §3.1.3.6). */
function accessTokenHash(idToken: string, accessToken: string): string {
  const { alg = '' } = decodeProtectedHeader(idToken);
  // Ed25519 has no number in its name; its own hash is SHA-512.
  const bits = /(256|384|512)$/.exec(alg)?.[1] ?? '512';
  const digest = createHash(`sha${bits}`).update(accessToken).digest();
  return digest.subarray(0, digest.length / 2).toString('base64url');
}

function refused(what: string): BffError {
  return new BffError('login_failed', {
    cause: new Error(`the provider sent an ID token ${what}`),
  });
}
