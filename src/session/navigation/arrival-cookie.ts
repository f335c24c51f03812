import { createHash } from 'node:crypto';
import { cookieAttributes, cookieValues } from '../cookie/cookies.ts';

/** The lifetime of the cookie, in seconds. Long enough for a slow network. */
const lifetime = 60;

/**
 * The cookie that counts how often an address was loaded again because the browser did not send the
 * session cookie. It is `SameSite=Lax`, so that browsers send it where they do not send a `Strict`
 * cookie. It is not signed, because an attacker gains nothing by forging it.
 */
export class ArrivalCookie {
  readonly #attributes: string;

  /** `name` is the name of the cookie, `publicUrl` the URL of the BFF as browsers see it. */
  constructor(
    private readonly name: string,
    publicUrl: string,
  ) {
    const { secure, path } = cookieAttributes(publicUrl);
    this.#attributes = `Path=${path}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  }

  /** Whether a `Cookie` header contains the cookie, for any address. */
  isIn(header: string | undefined): boolean {
    return header !== undefined && cookieValues(header, this.name).length > 0;
  }

  /** Returns the count of an address (path and query), or `undefined` if there is none. */
  reloadsOf(header: string | undefined, address: string): number | undefined {
    const [value = ''] = header === undefined ? [] : cookieValues(header, this.name);
    const [reloads, hash] = value.split('.', 2);
    return reloads && /^\d$/.test(reloads) && hash === hashOf(address)
      ? Number(reloads)
      : undefined;
  }

  /** Returns the `Set-Cookie` value that stores the count of an address for a minute. */
  line(address: string, reloads: number): string {
    return this.#line(`${reloads}.${hashOf(address)}`, lifetime);
  }

  /** Returns the `Set-Cookie` value that removes the cookie. */
  removal(): string {
    return this.#line('', 0);
  }

  #line(value: string, maxAge: number): string {
    return `${this.name}=${value}; Max-Age=${maxAge}; ${this.#attributes}`;
  }
}

/** Addresses are hashed to keep the cookie short and free of personal data. */
function hashOf(address: string): string {
  return createHash('sha256').update(address).digest('base64url').slice(0, 16);
}
