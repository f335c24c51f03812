import { timingSafeEqual } from 'node:crypto';
import { cookieValues } from './cookies.ts';
import { remember } from './remember.ts';
import { recordNameOf } from './sealed-records.ts';
import { onlyOne, type SignedCookie } from './signed-cookie.ts';

/** Above this number the cookie that was verified first is forgotten. It is verified again when it is sent again. */
const maxRemembered = 50_000;

/** The number of leading characters under which a value is remembered. Values that share them are compared in full. */
const prefixLength = 20;

/** A verified cookie value, octet for octet as in the header, and the session id in it. */
interface KnownCookie {
  readonly value: Buffer;
  readonly id: string;
}

/** Remembers session cookies whose signature was verified before, with the ids of their sessions. */
export class KnownCookies {
  /** Keyed by the first characters of the value. */
  readonly #known = new Map<string, KnownCookie>();

  constructor(private readonly cookie: SignedCookie) {}

  /** The id of the session that a `Cookie` header names, by the rules of `SignedCookie.read`. */
  idIn(header: string | undefined): string | undefined {
    if (!header) return undefined;
    const values = cookieValues(header, this.cookie.name);
    const [first] = values;
    // One cookie, as in nearly every request.
    if (first !== undefined && values.length === 1) return this.#idOf(first);
    return onlyOne(values, (value) => this.#idOf(value));
  }

  #idOf(value: string): string | undefined {
    const known = this.#known.get(value.slice(0, prefixLength));
    return known && isSame(known.value, value) ? known.id : this.#verify(value);
  }

  #verify(value: string): string | undefined {
    const secret = this.cookie.verify(value);
    if (secret === undefined) return undefined;
    const id = recordNameOf(secret);
    const known = { value: Buffer.from(value, 'latin1'), id };
    // Not a slice of `value`, which would keep the whole header in memory.
    const prefix = known.value.toString('latin1', 0, prefixLength);
    remember(this.#known, prefix, known, maxRemembered);
    return id;
  }
}

/** Holds the value to compare: allocating a buffer for each comparison takes longer than comparing. */
let presented = Buffer.alloc(0);

/** Compares in a time that does not depend on where the values differ. */
function isSame(one: Buffer, other: string): boolean {
  if (one.length !== other.length) return false;
  // Nearly all values have the same length.
  if (presented.length !== one.length) presented = Buffer.alloc(one.length);
  presented.write(other, 'latin1');
  return timingSafeEqual(one, presented);
}
