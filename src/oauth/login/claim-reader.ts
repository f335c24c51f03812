import { isJsonObject, ownValue } from '../json-object.ts';

/** Returns the value of one claim, or `undefined` if it is missing. */
export type ClaimReader = (claims: Readonly<Record<string, unknown>>) => unknown;

/**
 * Creates a reader for the claim with this name. The whole name is tried first, as in
 * `https://example.com/roles`, then a path of names that are separated by dots, as in
 * `realm_access.roles`. Only own properties of objects are read, so `__proto__`, the `length` of a
 * list and its indexes are never found.
 */
export function claimReader(name: string): ClaimReader {
  const path = name.split('.');
  return (claims) => {
    const whole = ownValue(claims, name);
    return whole === undefined && path.length > 1 ? valueAt(claims, path) : whole;
  };
}

function valueAt(claims: object, path: readonly string[]): unknown {
  let node: unknown = claims;
  for (const key of path) {
    if (!isJsonObject(node)) return undefined;
    node = ownValue(node, key);
  }
  return node;
}
