/**
 * Parses the attributes of challenges (RFC 9110 §11.2). The first of each name wins. A quoted
 * string is read as a whole, so that text in it is never taken for an attribute.
 */
export function challengeAttributes(challenge: string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  // The lookbehind starts a name only at its first character, which keeps matching linear.
  const pattern = /(?<![\w.~-])([\w.~-]+)\s?=\s?(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/g;
  for (const [, name = '', quoted, plain = ''] of challenge.matchAll(pattern)) {
    const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain;
    const key = name.toLowerCase();
    if (!attributes.has(key) && !/\p{Cc}/u.test(value)) attributes.set(key, value);
  }
  return attributes;
}
