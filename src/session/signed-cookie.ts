import { hkdfSync } from 'node:crypto';
import { sign, unsign } from 'cookie-signature';
import { cookieValues } from './cookies.ts';

/** The longest encoded value that is looked at, in characters; ours have about 150. */
const maxLength = 512;

/**
 * One or two secrets of 256 bits and a signature. A value of another form is no value of ours, whatever its signature says: to
 * see that is cheap, and a header of 16 KB has room for more than a thousand signatures to verify.
 */
const form = /^s:[\w-]{43}(?:\.[\w-]{43})?\.[A-Za-z0-9+/]{43}$/;

/**
 * Signs and verifies one cookie of ours, in the `s:value.signature` form of express-session. The keys are derived from
 * `session.secrets` *and* the cookie's name, so a value that was signed for one name is worth nothing under another.
 */
export class SignedCookie {
  /** One key for each secret, in the same order: the first signs, all verify. */
  readonly keys: readonly string[];

  /** `secrets` are those of `session.secrets`, newest first. Throws if there are none. */
  constructor(
    readonly name: string,
    secrets: readonly string[],
  ) {
    if (secrets.length === 0) throw new Error('signing a cookie needs a secret');
    this.keys = secrets.map((secret) => keyFor(name, secret));
  }

  /** The value to set, signed with the newest key. `value` is one or two results of `newSecret`, with a dot between them. */
  sign(value: string): string {
    const [newest = ''] = this.keys;
    return `s:${sign(value, newest)}`;
  }

  /**
   * The value of the cookie in a `Cookie` header, `undefined` if no cookie of this name has a valid signature. Cookies whose
   * signature is not valid do not count, so planting one signs no user out. Two valid ones with different values count as
   * none: one of them belongs to another session, and the header does not say which.
   */
  read(header: string | undefined): string | undefined {
    if (!header) return undefined;
    return onlyOne(cookieValues(header, this.name), (encoded) => this.verify(encoded));
  }

  /** The value in one encoded cookie value, `undefined` if its signature is not valid. */
  verify(encoded: string): string | undefined {
    const decoded = encoded.length > maxLength ? undefined : decode(encoded);
    if (decoded === undefined || !form.test(decoded)) return undefined;
    for (const key of this.keys) {
      const value = unsign(decoded.slice(2), key);
      if (value !== false) return value;
    }
    return undefined;
  }
}

/** The one result that the values have in common, `undefined` if they have none or several. */
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

function decode(value: string): string | undefined {
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  try {
    return decodeURIComponent(isQuoted ? value.slice(1, -1) : value);
  } catch {
    return undefined; // our own values decode
  }
}
