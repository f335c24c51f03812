import { isJsonObject, ownValue } from '../json-object.ts';
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
  // Not `email_verified`: the flag of the other source may be about another address.
  const names = ruleClaims.filter((name) => name !== 'email_verified');
  return withNamed(merged, userInfo, names);
}

/** Adds the claims of `names`, whole or by their path, that only `source` has. */
export function withNamed(claims: Claims, source: Claims, names: readonly string[]): Claims {
  return names.reduce((found, name) => {
    const read = claimReader(name);
    const value = read(found) === undefined ? read(source) : undefined;
    return value === undefined ? found : withValueAt(found, name.split('.'), value);
  }, claims);
}

/**
 * Returns the claims of UserInfo without those that the previous ID token had and the new one
 * lacks, also inside objects. UserInfo is older, so a role that was revoked since would stay.
 */
export function withoutRemoved(userInfo: Claims, previous: Claims, current: Claims): Claims {
  const kept = Object.entries(userInfo).filter(
    ([name]) => Object.hasOwn(current, name) || !Object.hasOwn(previous, name),
  );
  return Object.fromEntries(
    kept.map(([name, value]) => {
      const [before, now] = [ownValue(previous, name), ownValue(current, name)];
      const areObjects = isJsonObject(value) && isJsonObject(before) && isJsonObject(now);
      return [name, areObjects ? withoutRemoved(value, before, now) : value];
    }),
  );
}

/**
 * The `email_verified` of the address in the merged claims. A flag beside another address must not
 * vouch for this one.
 */
function verificationOf(userInfo: Claims, idToken: Claims): unknown {
  const { email, email_verified: isVerified } = idToken;
  const { email: otherEmail, email_verified: isOtherVerified } = userInfo;
  if (email === undefined) return isVerified === false ? false : (isOtherVerified ?? isVerified);
  const isSame = otherEmail === undefined || otherEmail === email;
  return isVerified ?? (isSame ? isOtherVerified : undefined);
}

/**
 * Copies the objects on the way, so that the claims of neither source change, and adds those that
 * are missing.
 */
function withValueAt(claims: Claims, [key = '', ...rest]: readonly string[], value: unknown) {
  const inner = Object.hasOwn(claims, key) ? claims[key] : {};
  if (rest.length > 0 && !isJsonObject(inner)) return claims;
  const next: unknown =
    rest.length > 0 && isJsonObject(inner) ? withValueAt(inner, rest, value) : value;
  return { ...claims, [key]: next };
}
