import { claimReader } from './claim-reader.ts';

type Claims = Readonly<Record<string, unknown>>;

/**
 * Merges the claims of UserInfo and of the ID token, which takes precedence. A claim of
 * `ruleClaims` that the ID token lacks is also taken from inside an object that both have, such as
 * `realm_access.roles`. `email_verified` always belongs to the address in `email`.
 */
export function mergeClaims(
  userInfo: Claims,
  idToken: Claims,
  ruleClaims: readonly string[] = [],
): Claims {
  const { email_verified: _, ...others } = { ...userInfo, ...idToken };
  const verification = verificationOf(userInfo, idToken);
  const merged: Claims =
    verification === undefined ? others : { ...others, email_verified: verification };
  return ruleClaims.reduce((claims, name) => {
    const read = claimReader(name);
    const found = read(claims) === undefined ? read(userInfo) : undefined;
    return found === undefined ? claims : withValueAt(claims, name.split('.'), found);
  }, merged);
}

/**
 * The `email_verified` of the address in the merged claims. A flag beside another address must not
 * vouch for this one.
 */
function verificationOf(userInfo: Claims, idToken: Claims): unknown {
  const { email, email_verified: isVerified } = idToken;
  const { email: otherEmail, email_verified: isOtherVerified } = userInfo;
  if (email === undefined) return isOtherVerified ?? isVerified;
  const isSame = otherEmail === undefined || otherEmail === email;
  return isVerified ?? (isSame ? isOtherVerified : undefined);
}

/** Copies the objects on the way, so that the claims of neither source change. */
function withValueAt(claims: Claims, [key = '', ...rest]: readonly string[], value: unknown) {
  const inner = Object.hasOwn(claims, key) ? claims[key] : undefined;
  const isObject = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
  if (rest.length > 0 && !isObject) return claims;
  const next: unknown = rest.length > 0 ? withValueAt(inner as Claims, rest, value) : value;
  return { ...claims, [key]: next };
}
