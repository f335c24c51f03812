import { type Configuration, type DPoPOptions, fetchUserInfo, type IDToken } from 'openid-client';
import { decodeJwt } from 'jose';
import { isProtocolClaim } from '../../config/values/protocol-claims.ts';
import { BffError } from '../../errors.ts';
import { claimReader } from './claim-reader.ts';
import { mergeClaims } from './merge-claims.ts';
import { verifyingConfiguration } from '../provider/metadata.ts';

/** The claims about a user, with the names that the provider uses (OIDC Core §5.1). */
export type Claims = Readonly<Record<string, unknown>>;

/** The claims of a sign-in, and those of UserInfo alone if it was requested. */
export interface ReadClaims {
  readonly claims: Claims;
  readonly userInfo?: Claims;
}

/**
 * The sources of an account's claims, besides the ID token, which is stored with the tokens.
 * Records of releases before 0.4 have no sources.
 */
export interface ClaimSources {
  /** When the account signed in or UserInfo was last read, in epoch milliseconds. */
  readonly readAt: number;
  /** When the tokens or, without a refresh token, the claims were last refreshed. */
  readonly refreshedAt?: number;
  /** The claims of UserInfo. `undefined` if it was never read. */
  readonly userInfo?: Claims;
  /** Whether UserInfo was read after the ID token was issued. Its claims then take precedence. */
  readonly isUserInfoNewer?: boolean;
}

/**
 * The claims of each scope (OIDC Core §5.4). If the ID token has any one of them, the provider is
 * assumed to put all of them there.
 */
const claimsOfScope: Readonly<Record<string, readonly string[]>> = {
  profile: ['name', 'given_name', 'family_name', 'nickname', 'preferred_username', 'picture'],
  email: ['email'],
  address: ['address'],
  phone: ['phone_number'],
};

/** The maximum length of a user's claims as JSON, in characters. */
export const longestClaims = 64 * 1024;

/**
 * Reads the user's claims from the ID token. UserInfo is requested only if the ID token lacks the
 * claims of a scope or a claim of `ruleClaims`. The ID token takes precedence. Throws
 * `login_failed`, also if UserInfo has another subject (OIDC Core §5.3.2).
 */
export async function readClaims(
  configuration: Configuration,
  idToken: IDToken,
  accessToken: string,
  scopes: readonly string[],
  dpop: DPoPOptions = {},
  ruleClaims: readonly string[] = [],
): Promise<ReadClaims> {
  checkSubject(idToken.sub);
  const needsUserInfo =
    configuration.serverMetadata().userinfo_endpoint !== undefined &&
    (scopes.some(
      (scope) => claimsOfScope[scope] && !claimsOfScope[scope].some((c) => c in idToken),
    ) ||
      ruleClaims.some((name) => claimReader(name)(idToken) === undefined));
  if (!needsUserInfo) return { claims: aboutTheUser(withinLimits(idToken)) };
  const strict = verifyingConfiguration(configuration);
  const userInfo = await fetchUserInfo(strict, accessToken, idToken.sub, dpop);
  const claims = aboutTheUser(withinLimits(mergeClaims(userInfo, idToken, ruleClaims)));
  return { claims, userInfo };
}

/** The claims of an account's ID token, which was verified before it was stored. */
export function claimsInIdToken({ idToken }: { readonly idToken?: string }): Claims {
  return idToken === undefined ? {} : decodeJwt(idToken);
}

/** Returns the claims if they fit into a session. Throws `login_failed` if they do not. */
export function withinLimits(claims: Claims): Claims {
  if (JSON.stringify(claims).length > longestClaims) {
    throw refused(`claims of more than ${longestClaims} characters`);
  }
  return claims;
}

/**
 * Throws `login_failed` unless `sub` is 1 to 255 ASCII characters. "It MUST NOT exceed 255 ASCII
 * characters in length" (OIDC Core §2).
 */
export function checkSubject(sub: string): void {
  if (!/^[\x20-\x7e]{1,255}$/.test(sub))
    throw refused('a subject that is not 1 to 255 ASCII characters');
}

/** Returns the claims without those about the token. */
export function aboutTheUser(claims: Claims): Claims {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !isProtocolClaim(name)));
}

function refused(what: string): BffError {
  return new BffError('login_failed', { cause: new Error(`the provider sent ${what}`) });
}
