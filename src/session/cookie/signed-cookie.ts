import { hkdfSync } from 'node:crypto';
import { sign, unsign } from 'cookie-signature';
import { cookieValues } from './cookies.ts';

/** The maximum length of an encoded value, in characters. Ours have about 150. */
const maxLength = 512;

/**
 * One or two 256-bit secrets and a signature. This cheap check limits how many signatures are
 * verified: a header of 16 KB has room for more than a thousand.
 */
const format = /^s:[\w-]{43}(?:\.[\w-]{43})?\.[A-Za-z0-9+/]{43}$/;

/**
 * Signs and verifies one of our cookies, in the `s:value.signature` form of express-session. Keys
 * are derived from `session.secrets` *and* the cookie's name, so a value signed for one name is
 * invalid under another.
 */
export class SignedCookie {
  /** The keys in the order of the secrets. The first signs, all verify. */
  readonly keys: readonly string[];

  /** `secrets` are those of `session.secrets`, newest first. Throws if there are none. */
  constructor(
    readonly name: string,
    secrets: readonly string[],
  ) {
    if (secrets.length === 0) throw new Error('signing a cookie needs a secret');
    this.keys = secrets.map((secret) => keyFor(name, secret));
  }

  /** Signs with the newest key. `value` is one or two results of `newSecret`, joined by a dot. */
  sign(value: string): string {
    const [newest = ''] = this.keys;
    return `s:${sign(value, newest)}`;
  }

  /**
   * The value of the cookie in a `Cookie` header, or `undefined` if none has a valid signature.
   * Cookies with an invalid signature are ignored, so an attacker who sets one signs no user out.
   * Two different valid values also yield `undefined`: either could be the attacker's.
   */
  read(header: string | undefined): string | undefined {
    if (!header) return undefined;
    return onlyOne(cookieValues(header, this.name), (encoded) => this.verify(encoded));
  }

  /** The value in an encoded cookie value, or `undefined` if its signature is invalid. */
  verify(encoded: string): string | undefined {
    const decoded = encoded.length > maxLength ? undefined : decodeCookieValue(encoded);
    if (decoded === undefined || !format.test(decoded)) return undefined;
    for (const key of this.keys) {
      const value = unsign(decoded.slice(2), key);
      if (value !== false) return value;
    }
    return undefined;
  }
}

/** The single distinct result for these values, or `undefined` if there are none or several. */
export function onlyOne(
  values: readonly string[],
  resultOf: (value: string) => string | undefined,
): string | undefined {
  let only: string | undefined;
  for (const value of values) {
    const result = resultOf(value);
    if (result === undefined) continue;
    if (only !== undefined && result !== only) return undefined;
    only = result;
  }
  return only;
}

function keyFor(name: string, secret: string): string {
  const key = hkdfSync('sha256', secret, '', `pixie-bff cookie v1 ${name}`, 32);
  return Buffer.from(key).toString('base64url');
}

function decodeCookieValue(value: string): string | undefined {
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  try {
    return decodeURIComponent(isQuoted ? value.slice(1, -1) : value);
  } catch {
    return undefined; // our own values can be decoded
  }
}
