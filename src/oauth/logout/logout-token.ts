import { isJsonObject } from '../json-object.ts';
import { errors } from 'jose';
import type { ProviderOptions } from '../../config/options.ts';
import { BffError } from '../../errors.ts';
import type { Provider } from '../provider/provider.ts';
import { verifySignature } from '../client/signature.ts';

/**
 * The claims of a verified logout token (OIDC Back-Channel Logout §2.4). At least one of `sub` and
 * `sid` is set.
 */
export interface LogoutToken {
  readonly issuer: string;
  readonly sub?: string;
  readonly sid?: string;
  /** Unique per issuer. A second token with the same `jti` is a replay. */
  readonly jti: string;
  /** Epoch milliseconds. From this time on the token is refused as expired. */
  readonly expiresAt: number;
}

type Members = Readonly<Record<string, unknown>>;

const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';

/** The maximum length of a logout token, in characters. */
const maxLength = 16 * 1024;

/** How far the provider's clock may be ahead of ours, in seconds. */
const clockTolerance = 60;

/** The lifetime of a token without `exp`, in seconds. */
const lifetimeWithoutExp = 120;

/**
 * Reads the unverified issuer and audience of a logout token, to select the provider that verifies
 * it.
 * Throws `invalid_logout_token` if it is not a JWT with an issuer.
 */
export function partiesOf(encoded: string): {
  readonly issuer: string;
  readonly audience: readonly unknown[];
} {
  const { iss, aud } = decodeLogoutToken(encoded).claims;
  return { issuer: isText(iss) ? iss : refuse('iss is missing'), audience: [aud].flat() };
}

/**
 * Verifies a logout token by all rules of OIDC Back-Channel Logout §2.6 except replay detection.
 * Cheap checks come first, so that anonymous clients cannot trigger signature checks or key
 * requests at will. Throws `invalid_logout_token` with the broken rule as cause, or
 * `provider_unavailable` if the keys cannot be fetched.
 */
export async function verifyLogoutToken(
  provider: Provider,
  encoded: string,
  now: number,
): Promise<LogoutToken> {
  const { options } = provider;
  const { header, claims } = decodeLogoutToken(encoded);
  checkHeader(header, options);
  checkParties(claims, options);
  checkEvent(claims);
  const expiresAt = checkTimes(claims, options, now);
  const { sub, sid, jti } = checkNames(claims);
  await provider.whileAlive(checkSignature(provider, encoded));
  return {
    issuer: options.issuer,
    ...(sub !== undefined && { sub }),
    ...(sid !== undefined && { sid }),
    jti,
    expiresAt,
  };
}

function decodeLogoutToken(encoded: string): {
  readonly header: Members;
  readonly claims: Members;
} {
  if (encoded.length > maxLength) refuse(`is longer than ${maxLength} characters`);
  const [, header, claims] = /^([\w-]+)\.([\w-]+)\.[\w-]*$/.exec(encoded) ?? [];
  if (header === undefined || claims === undefined) return refuse('is no signed JWT');
  return { header: readObject(header, 'header'), claims: readObject(claims, 'payload') };
}

function readObject(part: string, name: string): Members {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(part, 'base64url'));
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return value;
  } catch {
    // The parser's message quotes its input, so it is dropped.
  }
  return refuse(`the ${name} is no JSON object`);
}

/**
 * Requires an accepted algorithm and an explicit type (RFC 8725 §3.1, §3.11). Refuses header
 * parameters that would change these rules.
 */
function checkHeader({ alg, typ, crit }: Members, options: ProviderOptions): void {
  if (!options.idTokenAlgorithms.some((accepted) => accepted === alg)) {
    refuse(`alg is none of ${options.idTokenAlgorithms.join(', ')}`);
  }
  if (crit !== undefined) refuse('crit demands extensions that are not supported');
  const type = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ;
  if (type === 'logout+jwt') return;
  const isUntyped = type === undefined || type === 'jwt';
  if (isUntyped && options.logoutToken.allowUntyped) return;
  refuse(`typ is not logout+jwt${isUntyped ? '; logoutToken.allowUntyped tolerates that' : ''}`);
}

function checkParties({ iss, aud }: Members, { issuer, clientId }: ProviderOptions): void {
  if (iss !== issuer) refuse(`iss is not ${issuer}`);
  const audiences: unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.every(isText)) refuse('aud is neither a text nor a list of texts');
  if (!audiences.includes(clientId)) refuse(`aud does not contain ${clientId}`);
}

/**
 * Requires the logout event, and no `nonce`, which only ID tokens have. "Verify that the Logout
 * Token does not contain a nonce Claim" (OIDC Back-Channel Logout §2.6).
 */
function checkEvent({ events, ...others }: Members): void {
  if (!isJsonObject(events)) return refuse('events is no object');
  if (!Object.hasOwn(events, logoutEvent)) refuse(`events has no member ${logoutEvent}`);
  if (!isJsonObject(events[logoutEvent])) refuse('the logout event is no object');
  if ('nonce' in others) refuse('there is a nonce, as in an ID token');
}

/** Checks the times of the token and returns its expiry in epoch milliseconds. */
function checkTimes({ iat, exp, nbf }: Members, options: ProviderOptions, now: number): number {
  if (!isTime(iat)) return refuse('iat is missing or no time');
  const latest = now / 1000 + clockTolerance;
  if (iat > latest) refuse('iat is in the future');
  if (nbf !== undefined && !(isTime(nbf) && nbf <= latest)) refuse('nbf is in the future');
  if (exp === undefined && !options.logoutToken.allowMissingExp) {
    refuse('exp is missing; logoutToken.allowMissingExp tolerates that');
  }
  const end = exp === undefined ? iat + lifetimeWithoutExp : exp;
  if (!isTime(end)) return refuse('exp is no time');
  const expiresAt = end * 1000;
  if (expiresAt <= now) {
    refuse(exp === undefined ? 'iat is too long ago for a token without exp' : 'it has expired');
  }
  return expiresAt;
}

function checkNames({ sub, sid, jti }: Members): Pick<LogoutToken, 'sub' | 'sid' | 'jti'> {
  if (sub !== undefined && !isText(sub)) return refuse('sub is no text');
  if (sid !== undefined && !isText(sid)) return refuse('sid is no text');
  if (sub === undefined && sid === undefined) refuse('there is neither sub nor sid');
  if (!isText(jti)) return refuse('jti is missing or no text');
  return { jti, ...(sub !== undefined && { sub }), ...(sid !== undefined && { sid }) };
}

async function checkSignature(provider: Provider, encoded: string): Promise<void> {
  try {
    await verifySignature(provider, encoded, 'client');
  } catch (error) {
    if (error instanceof BffError) throw unavailable(error);
    throw invalid(whyUnverified(error), error);
  }
}

function whyUnverified(error: unknown): string {
  if (error instanceof errors.JWKSNoMatchingKey)
    return 'the provider publishes no key with its kid';
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'several keys fit; kid is missing';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'alg is none that the provider announces';
  return 'its signature does not hold';
}

/** Problems with the provider's metadata or keys do not make the token invalid. */
function unavailable(error: BffError): BffError {
  if (error.code === 'provider_unavailable') return error;
  return new BffError('provider_unavailable', { cause: error });
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Seconds since the epoch (RFC 7519 §2 NumericDate), in the range of a valid date. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 1e11;
}

function refuse(what: string): never {
  throw invalid(what);
}

function invalid(what: string, cause?: unknown): BffError {
  return new BffError('invalid_logout_token', {
    cause: new Error(`logout token: ${what}`, { cause }),
  });
}
