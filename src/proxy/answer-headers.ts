import type { IncomingHttpHeaders } from 'node:http';
import { hopByHop } from '../config/hop-by-hop.ts';
import { type CookieFilter, cookieFilter } from '../session/cookies.ts';
import { namedByConnection, remembered, spelling } from './header-names.ts';
import type { Headers } from './headers.ts';

/** Says how our own origin behaves or what is stored for it; that is not for one upstream to decide. */
const aboutOurOrigin = new Set([
  'alt-svc',
  'clear-site-data',
  'public-key-pins',
  'server',
  'set-cookie2',
  'strict-transport-security',
  'x-powered-by',
  'x-request-id',
]);

/** Rules for shared caches that overrule `Cache-Control` (RFC 9213), in their several spellings. */
const forSharedCaches = /^(.*-)?cdn-cache-control$|^surrogate-control$|^x-accel-expires$/;

/** What a route decides over the headers of its answers. */
export interface AnswerHeaderRules {
  /** What every answer carries; an upstream's own win over them. Names are in lower case. */
  readonly ours: Readonly<Record<string, string>>;
  readonly ourCookies: readonly string[];
  /** The answers are made for one user: nobody may keep them for another. */
  readonly isPersonal: boolean;
}

const staysBehind = remembered((name) => hopByHop.has(name) || aboutOurOrigin.has(name));
/** Also what an upstream wants in the next proof that we make (RFC 9449 §9). */
const isNotForUsers = remembered((name) => forSharedCaches.test(name) || name === 'dpop-nonce');

/** The rules for the answers of one route. */
export class AnswerHeaders {
  readonly #ours: Headers;
  readonly #isPersonal: boolean;
  readonly #withoutOurs: CookieFilter;

  constructor({ ours, ourCookies, isPersonal }: AnswerHeaderRules) {
    this.#ours = { ...ours };
    this.#isPersonal = isPersonal;
    this.#withoutOurs = cookieFilter(ourCookies);
  }

  /** The headers a browser receives: ours, and the upstream's, less what is not for one upstream to decide. */
  of(upstream: IncomingHttpHeaders, requestId: string): Headers {
    const named = namedByConnection(upstream.connection);
    const headers: Headers = { ...this.#ours, 'x-request-id': requestId };
    for (const name of Object.keys(upstream)) {
      const value = upstream[name];
      if (value === undefined || staysBehind(name) || named?.has(spelling(name))) continue;
      if (this.#isPersonal && isNotForUsers(name)) continue;
      headers[name] = value;
    }
    if (headers['set-cookie']) this.#keepTheirs(headers);
    // A shared cache before us sees a cookie, not the Authorization the upstream answered to (RFC 9111 §3.5).
    if (this.#isPersonal && !isPrivate(headers['cache-control']))
      headers['cache-control'] = 'no-store';
    return headers;
  }

  /** No upstream sets or deletes a cookie with a name of ours. */
  #keepTheirs(headers: Headers): void {
    const lines = [headers['set-cookie'] ?? []].flat();
    const theirs = lines.filter((line) => !this.#isOurs(line));
    if (theirs.length > 0) headers['set-cookie'] = theirs;
    else delete headers['set-cookie'];
  }

  #isOurs(setCookie: string): boolean {
    const [pair = ''] = setCookie.split(';', 1);
    // Browsers send a cookie without a name as its bare value: `=bff=evil` comes back as `bff=evil` (RFC 6265bis §5.8.3).
    return this.#withoutOurs(pair.replace(/^[\s=]+/, '')) === undefined;
  }
}

/** With field names, `private="set-cookie"` leaves the rest of the answer to shared caches (RFC 9111 §5.2.2.7). */
function isPrivate(cacheControl: string | string[] | undefined): boolean {
  if (cacheControl === undefined) return false;
  const withoutQuoted = String(cacheControl).replace(/"[^"]*"?/g, '""');
  return withoutQuoted.split(',').some((rule) => /^\s*(private|no-store)\s*$/i.test(rule));
}
