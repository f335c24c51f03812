import { timingSafeEqual } from 'node:crypto';
import { readSignedCookie, soleCookieValue } from './cookies.ts';
import { remember } from './remember.ts';
import { recordNameOf } from './sealed-records.ts';

/** Beyond this the one that was verified first is forgotten, and verified again when it comes again. */
const mostRemembered = 50_000;

/** As many characters of a value as tell one session from another; what is the same so far is compared to its end. */
const nameLength = 20;

/** A cookie's value, octet for octet as a header has it, and the id that is in it. */
interface KnownCookie {
  readonly value: Buffer;
  readonly id: string;
}

/** Session cookies whose signature was verified before, and the ids of their sessions. */
export class KnownCookies {
  /** By the beginning of their values. */
  readonly #known = new Map<string, KnownCookie>();

  /** Of the cookie of this name; `secrets` are those its signature may be of. */
  constructor(
    private readonly name: string,
    private readonly secrets: readonly string[],
  ) {}

  /** The id of the session that a `Cookie` header names. Absent: none, or its signature does not hold. */
  idIn(header: string | undefined): string | undefined {
    const value = header && soleCookieValue(header, this.name);
    if (!value) return undefined;
    const known = this.#known.get(value.slice(0, nameLength));
    return known && isSame(known.value, value) ? known.id : this.#verify(header, value);
  }

  #verify(header: string, value: string): string | undefined {
    const secret = readSignedCookie(header, this.name, this.secrets);
    if (secret === undefined) return undefined;
    const id = recordNameOf(secret);
    const known = { value: Buffer.from(value, 'latin1'), id };
    // Not a part of `value`, which would keep the whole header in memory.
    const name = known.value.toString('latin1', 0, nameLength);
    remember(this.#known, name, known, mostRemembered);
    return id;
  }
}

/** What is compared comes here: to make a buffer for each comparison takes longer than to compare. */
let presented = Buffer.alloc(0);

/** In a time that does not tell where they differ. */
function isSame(one: Buffer, other: string): boolean {
  if (one.length !== other.length) return false;
  // Nearly all are of one length.
  if (presented.length !== one.length) presented = Buffer.alloc(one.length);
  presented.write(other, 'latin1');
  return timingSafeEqual(one, presented);
}
