import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { Claims } from '../login/claims.ts';
import type { BearerIssuerOptions } from './issuer-connection.ts';
import { checkParties, checkTimes, invalidToken, verifiedToken } from './token-claims.ts';
import type { VerifiedToken } from './verified-token.ts';

/** A JWT whose signature was not verified yet. */
export interface UnverifiedJwt {
  readonly header: JsonObject;
  /** `undefined` if the payload is no JSON object. */
  readonly claims: Claims | undefined;
}

/**
 * Decodes a JWT in the compact serialization (RFC 7515 §3.1): three parts in base64url, of which
 * the first is a JSON object. `undefined` for any other token, which is opaque. Verifies nothing.
 */
export function decodeJwt(token: string): UnverifiedJwt | undefined {
  const parts = token.split('.', 4);
  const [first = '', second = ''] = parts;
  // With padding it is not valid, but still no opaque token that another server may see.
  if (parts.length !== 3 || !parts.every((part) => /^[\w-]*=*$/.test(part))) return undefined;
  const header = parseObject(first);
  return header && { header, claims: parseObject(second) };
}

function parseObject(part: string): JsonObject | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(part, 'base64url'));
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    // The parser's message quotes its input, so it is dropped.
    return undefined;
  }
}

/**
 * Checks the header of a JWT access token (RFC 9068 §4): its type, so that no ID token passes, and
 * its algorithm. Throws `invalid_token`.
 */
export function checkHeader({ typ, alg, crit }: JsonObject, algorithms: readonly string[]): void {
  const type = typeof typ === 'string' ? typ.toLowerCase() : undefined;
  if (type !== 'at+jwt' && type !== 'application/at+jwt') throw invalidToken('typ is not at+jwt');
  if (!algorithms.some((accepted) => accepted === alg))
    throw invalidToken(`alg is none of ${algorithms.join(', ')}`);
  if (crit !== undefined) throw invalidToken('crit demands extensions that are not supported');
}

/**
 * Checks the claims of a JWT access token (RFC 9068 §2.2, §4) and returns what the token says. A
 * `client_id` is not required, because several authorization servers omit it. Throws
 * `invalid_token`.
 */
export function checkClaims(
  claims: Claims,
  options: BearerIssuerOptions,
  now: number,
): VerifiedToken {
  checkParties(claims, options);
  const expiresAt = checkTimes(claims, now);
  if (expiresAt === undefined) throw invalidToken('exp is missing');
  if (claims['iat'] === undefined) throw invalidToken('iat is missing');
  if (claims['sub'] === undefined) throw invalidToken('sub is missing');
  return verifiedToken(claims, options, expiresAt);
}
