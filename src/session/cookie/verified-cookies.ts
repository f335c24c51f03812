import { timingSafeEqual } from 'node:crypto';
import { cookieValues } from './cookies.ts';
import { remember } from '../store/remember.ts';
import { recordNameOf } from '../store/sealed-records.ts';
import { onlyOne, type SignedCookie } from './signed-cookie.ts';

/**
 * The maximum number of remembered cookies. Beyond it, the oldest is forgotten and verified anew.
 */
const maxRemembered = 50_000;

/**
 * The number of leading characters under which a value is remembered. Values that share them are
 * compared in full.
 */
const prefixLength = 20;

/** A verified cookie value, exactly as in the header, and its session id. */
interface CachedCookie {
  readonly value: Buffer;
  readonly id: string;
}

/** Caches verified session cookies and the ids of their sessions. */
export class VerifiedCookies {
  /** Keyed by the first characters of the value. */
  readonly #cached = new Map<string, CachedCookie>();

  constructor(private readonly cookie: SignedCookie) {}

  /** Returns the session id in a `Cookie` header, by the rules of `SignedCookie.read`. */
  idIn(header: string | undefined): string | undefined {
    if (!header) return undefined;
    const values = cookieValues(header, this.cookie.name);
    const [first] = values;
    // Nearly every request has exactly one.
    if (first !== undefined && values.length === 1) return this.#idOf(first);
    return onlyOne(values, (value) => this.#idOf(value));
  }

  #idOf(value: string): string | undefined {
    const cached = this.#cached.get(value.slice(0, prefixLength));
    return cached && isSame(cached.value, value) ? cached.id : this.#verify(value);
  }

  #verify(value: string): string | undefined {
    const secret = this.cookie.verify(value);
    if (secret === undefined) return undefined;
    const id = recordNameOf(secret);
    const cached = { value: Buffer.from(value, 'latin1'), id };
    // Not a slice of `value`, which would keep the whole header in memory.
    const prefix = cached.value.toString('latin1', 0, prefixLength);
    remember(this.#cached, prefix, cached, maxRemembered);
    return id;
  }
}

/** A reusable buffer: allocating one for each comparison takes longer than comparing. */
let presented = Buffer.alloc(0);

/** Compares in constant time. */
function isSame(one: Buffer, other: string): boolean {
  if (one.length !== other.length) return false;
  // Nearly all values have the same length.
  if (presented.length !== one.length) presented = Buffer.alloc(one.length);
  presented.write(other, 'latin1');
  return timingSafeEqual(one, presented);
}
