/** A cookie as the browser keeps it (RFC 6265bis §5.6). */
export interface StoredCookie {
  readonly name: string;
  readonly value: string;
  readonly host: string;
  /** False when a `Domain` attribute opened it to subdomains. */
  readonly hostOnly: boolean;
  readonly path: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: 'strict' | 'lax' | 'none';
  /** Epoch milliseconds; undefined for a cookie that ends with the browser. */
  readonly expiresAt?: number;
  /** The attributes as the server wrote them. */
  readonly raw: string;
}

/** What decides whether a cookie travels with a request. */
export interface RequestContext {
  /** Everything from the first initiator to the target is one site. */
  readonly sameSite: boolean;
  /**
   * A navigation of the whole page. Cross-site, a `Lax` cookie travels with a safe one, and every
   * one may set cookies.
   */
  readonly topLevel: 'no' | 'safe' | 'unsafe';
}

const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Scheme and registrable domain: what `SameSite` compares. Ports do not matter; every IP address is
 * its own site.
 */
export function siteOf(url: URL): string {
  const { hostname, protocol } = url;
  const isAddress = /^[\d.]+$|^\[/.test(hostname);
  const site = isAddress ? hostname : hostname.split('.').slice(-2).join('.');
  return `${protocol}//${site}`;
}

/** The cookies of one browser, under the rules browsers have for them. */
export class CookieJar {
  readonly #cookies = new Map<string, StoredCookie>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Every living cookie a page of this origin owns, `HttpOnly` ones included. */
  all(url: URL): StoredCookie[] {
    return this.#living().filter((cookie) => belongs(cookie, url));
  }

  /** The `Cookie` header of a request; empty when no cookie travels. */
  header(url: URL, context: RequestContext): string {
    return this.all(url)
      .filter((cookie) => travels(cookie, context))
      .filter((cookie) => pathMatches(cookie.path, url.pathname))
      .toSorted((a, b) => b.path.length - a.path.length)
      .map(({ name, value }) => (name ? `${name}=${value}` : value))
      .join('; ');
  }

  /**
   * Takes a `Set-Cookie` line, or refuses it as a browser does. A cookie that has expired is taken
   * away.
   */
  store(line: string, url: URL, context: RequestContext): void {
    const cookie = parseSetCookie(line, url, this.#now());
    if (!cookie || !isAllowed(cookie, url, context)) return;
    const key = [cookie.name, cookie.host, cookie.hostOnly, cookie.path].join(';');
    const replaced = this.#cookies.get(key);
    if (replaced?.secure && !isSecure(url)) return;
    if (cookie.expiresAt !== undefined && cookie.expiresAt <= this.#now()) {
      this.#cookies.delete(key);
    } else this.#cookies.set(key, cookie);
  }

  /** What closing the browser does: cookies without an expiry go. */
  endBrowserSession(): void {
    for (const [key, cookie] of this.#cookies) {
      if (cookie.expiresAt === undefined) this.#cookies.delete(key);
    }
  }

  clear(): void {
    this.#cookies.clear();
  }

  #living(): StoredCookie[] {
    const now = this.#now();
    return [...this.#cookies.values()].filter(({ expiresAt = Infinity }) => expiresAt > now);
  }
}

function travels(cookie: StoredCookie, { sameSite, topLevel }: RequestContext): boolean {
  if (sameSite || cookie.sameSite === 'none') return true;
  return cookie.sameSite === 'lax' && topLevel === 'safe';
}

// RFC 6265bis §5.6 and, for the prefixes, §4.1.3; `__Http-` and `__Host-Http-` are its younger
// siblings.
function isAllowed(cookie: StoredCookie, url: URL, context: RequestContext): boolean {
  if (Buffer.byteLength(cookie.name) + Buffer.byteLength(cookie.value) > 4096) return false;
  if (cookie.secure && !isSecure(url)) return false;
  if (cookie.sameSite === 'none' && !cookie.secure) return false;
  if (cookie.sameSite !== 'none' && !context.sameSite && context.topLevel === 'no') return false;
  const prefix = /^__(?:(Host-Http-)|(Host-)|(Http-)|(Secure-))/i.exec(cookie.name);
  if (!prefix) return true;
  const [, hostHttp, host, http] = prefix;
  // Not every browser counts http://localhost as secure here, so our prefixed cookies must not rely
  // on it.
  if (!cookie.secure || url.protocol !== 'https:') return false;
  if ((hostHttp ?? http) && !cookie.httpOnly) return false;
  return !(hostHttp ?? host) || (cookie.hostOnly && /;\s*path=\/(;|$)/i.test(cookie.raw));
}

function isSecure(url: URL): boolean {
  return url.protocol === 'https:' || loopback.has(url.hostname);
}

function belongs(cookie: StoredCookie, url: URL): boolean {
  const { hostname } = url;
  const isHere =
    cookie.host === hostname || (!cookie.hostOnly && hostname.endsWith(`.${cookie.host}`));
  return isHere && (!cookie.secure || isSecure(url));
}

function pathMatches(cookiePath: string, path: string): boolean {
  if (!path.startsWith(cookiePath)) return false;
  return path === cookiePath || cookiePath.endsWith('/') || path[cookiePath.length] === '/';
}

function parseSetCookie(raw: string, url: URL, now: number): StoredCookie | undefined {
  const [pair = '', ...rest] = raw.split(';');
  const [name, value] = pair.includes('=') ? splitOnce(pair) : ['', pair.trim()];
  const attributes = new Map(
    rest.map(splitOnce).map(([key, text]) => [key.toLowerCase(), text] as const),
  );
  const domain = attributes.get('domain')?.replace(/^\./, '').toLowerCase();
  if (domain && domain !== url.hostname && !url.hostname.endsWith(`.${domain}`)) return undefined;
  const path = attributes.get('path') ?? '';
  const sameSite = attributes.get('samesite')?.toLowerCase();
  const expiresAt = expiry(attributes, now);
  return {
    name,
    value,
    host: domain ? domain : url.hostname,
    hostOnly: !domain,
    path: path.startsWith('/') ? path : defaultPath(url.pathname),
    secure: attributes.has('secure'),
    httpOnly: attributes.has('httponly'),
    sameSite: sameSite === 'strict' || sameSite === 'none' ? sameSite : 'lax',
    ...(expiresAt !== undefined && { expiresAt }),
    raw,
  };
}

function splitOnce(text: string): [string, string] {
  const [name = '', ...value] = text.split('=');
  return [name.trim(), value.join('=').trim()];
}

// `Max-Age` wins over `Expires`; what cannot be read is as if it were not there (RFC 6265bis
// §5.6.1, §5.6.2).
function expiry(attributes: ReadonlyMap<string, string>, now: number): number | undefined {
  const maxAge = attributes.get('max-age');
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return now + Number(maxAge) * 1000;
  const expires = Date.parse(attributes.get('expires') ?? '');
  return Number.isNaN(expires) ? undefined : expires;
}

function defaultPath(pathname: string): string {
  const end = pathname.lastIndexOf('/');
  return end <= 0 ? '/' : pathname.slice(0, end);
}
