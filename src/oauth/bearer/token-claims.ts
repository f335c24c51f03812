import { BffError } from '../../errors.ts';
import { isJsonObject } from '../json-object.ts';
import type { Claims } from '../login/claims.ts';
import type { BearerIssuerOptions } from './issuer-connection.ts';
import type { VerifiedToken } from './verified-token.ts';

/** How far the issuer's clock may be ahead of ours, in milliseconds. It never extends `exp`. */
const clockTolerance = 60 * 1000;

/** Creates the `invalid_token` error. The reason is for the log, not for the client. */
export function invalidToken(what: string, cause?: unknown): BffError {
  return new BffError('invalid_token', { cause: new Error(`access token: ${what}`, { cause }) });
}

function refuse(what: string): never {
  throw invalidToken(what);
}

/** Checks the issuer and the audience of a token (RFC 9068 §4). Throws `invalid_token`. */
export function checkParties({ iss, aud }: Claims, options: BearerIssuerOptions): void {
  const { issuer, audience } = options;
  if (iss !== issuer) refuse(`iss is not ${issuer}`);
  const audiences: unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.every(isText)) refuse('aud is neither a text nor a list of texts');
  if (!audiences.includes(audience)) refuse(`aud does not contain ${audience}`);
}

/**
 * Checks `exp`, `nbf` and `iat` (RFC 7519 §4.1), and returns `exp` in epoch milliseconds,
 * `undefined` if it is missing. The issuer's clock may be a minute ahead. Throws `invalid_token`.
 */
export function checkTimes(claims: Claims, now: number): number | undefined {
  const { exp, nbf, iat, auth_time: authTime } = claims;
  const latest = now + clockTolerance;
  for (const [name, time] of Object.entries({ nbf, iat })) {
    if (time === undefined) continue;
    if (!isTime(time)) refuse(`${name} is no time`);
    if (time * 1000 > latest) refuse(`${name} is in the future`);
  }
  // It would be younger than every maximum age.
  if (isTime(authTime) && authTime * 1000 > latest) refuse('auth_time is in the future');
  if (exp === undefined) return undefined;
  if (!isTime(exp)) return refuse('exp is no time');
  // "the current date/time MUST be before the expiration date/time" (RFC 7519 §4.1.4).
  if (exp * 1000 <= now) refuse('it has expired');
  return exp * 1000;
}

/**
 * Reads the key that a token is bound to (`cnf`, RFC 7800 §3.1). Throws `invalid_token` for any
 * other binding, such as to a certificate (RFC 8705 §3): the sender could not prove it here, and a
 * bound token must not pass as a bearer token.
 */
function readBinding({ cnf }: Claims): Pick<VerifiedToken, 'keyThumbprint'> {
  if (cnf === undefined) return {};
  if (!isJsonObject(cnf)) return refuse('cnf is no object');
  const { jkt, ...others } = cnf;
  // The log gets no text of a token whose signature was not verified yet.
  if (Object.keys(others).length > 0) refuse('it is bound by something else than jkt');
  // SHA-256 in base64url.
  if (!isText(jkt) || !/^[\w-]{43}$/.test(jkt)) return refuse('cnf.jkt is no thumbprint');
  return { keyThumbprint: jkt };
}

/**
 * Reads the scopes: `scope` (RFC 9068 §2.2.3), or `scp` of Entra ID and Okta, each a text or a
 * list. `scope` takes precedence. Throws `invalid_token` for anything else.
 */
function readScopes({ scope, scp }: Claims): readonly string[] {
  const stated = scope ?? scp ?? '';
  const names: unknown[] = typeof stated === 'string' ? stated.split(' ') : [stated].flat();
  if (!names.every((name) => typeof name === 'string'))
    return refuse('scope is neither a text nor a list of texts');
  return [...new Set(names.filter((name) => name !== ''))];
}

/** Combines checked claims to a verified token. Throws `invalid_token` for malformed claims. */
export function verifiedToken(
  claims: Claims,
  { issuer }: BearerIssuerOptions,
  expiresAt: number,
): VerifiedToken {
  const { sub, acr, auth_time: authTime } = claims;
  if (sub !== undefined && !isText(sub)) return refuse('sub is no text');
  return {
    issuer,
    ...(sub !== undefined && { sub }),
    claims,
    scopes: readScopes(claims),
    expiresAt,
    ...readBinding(claims),
    ...(isText(acr) && { acr }),
    ...(isTime(authTime) && { authTime: authTime * 1000 }),
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Seconds since the epoch (RFC 7519 §2 NumericDate), in the range of a valid date. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 1e11;
}
