import { timingSafeEqual } from 'node:crypto';
import { readSignedCookie, soleCookieValue } from './cookies.ts';
import { remember } from './remember.ts';
import { recordNameOf } from './sealed-records.ts';

/** Beyond this the one that was verified first is forgotten, and verified again when it comes again. */
const mostRemembered = 50_000;

/** What of a cookie's value has to be the same for its id to be the same. */
interface KnownCookie {
  readonly signature: Buffer;
  readonly id: string;
}

/** Session cookies whose signature was verified before, and the ids of their sessions. */
export class KnownCookies {
  /** By the part that is signed. */
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
    const dot = value.lastIndexOf('.');
    const signed = value.slice(0, dot);
    const signature = Buffer.from(value.slice(dot));
    const known = this.#known.get(signed);
    return known && isSame(known.signature, signature)
      ? known.id
      : this.#verify(header, signed, signature);
  }

  #verify(header: string, signed: string, signature: Buffer): string | undefined {
    const secret = readSignedCookie(header, this.name, this.secrets);
    if (secret === undefined) return undefined;
    const id = recordNameOf(secret);
    remember(this.#known, signed, { signature, id }, mostRemembered);
    return id;
  }
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
