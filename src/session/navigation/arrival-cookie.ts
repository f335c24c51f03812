import { createHash } from 'node:crypto';
import { cookieAttributes, cookieValues } from '../cookie/cookies.ts';

/** How long an arrival is remembered, in seconds. Longer than a slow network needs. */
const lifetime = 60;

/**
 * The cookie that counts how often the navigation to an address arrived without the session cookie.
 * It is `SameSite=Lax`, so that it arrives where a `Strict` cookie does not. It is not signed:
 * forging it gains nothing.
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

  /** Whether a `Cookie` header has the cookie, for whatever address. */
  isIn(header: string | undefined): boolean {
    return header !== undefined && cookieValues(header, this.name).length > 0;
  }

  /** The count of an address (path and query). `undefined` if the browser has none for it. */
  roundsAt(header: string | undefined, address: string): number | undefined {
    const [value = ''] = header === undefined ? [] : cookieValues(header, this.name);
    const [rounds, hash] = value.split('.', 2);
    return rounds && /^\d$/.test(rounds) && hash === hashOf(address) ? Number(rounds) : undefined;
  }

  /** The `Set-Cookie` line that stores the count of an address, for a minute. */
  line(address: string, rounds: number): string {
    return this.#line(`${rounds}.${hashOf(address)}`, lifetime);
  }

  /** The `Set-Cookie` line that removes the cookie. */
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
