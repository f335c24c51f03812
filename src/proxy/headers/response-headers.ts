import type { IncomingHttpHeaders } from 'node:http';
import { hopByHop } from '../../http/hop-by-hop.ts';
import { type CookieFilter, cookieFilter } from '../../session/cookie/cookies.ts';
import { connectionOptions, cachedByName, normalizedName } from './header-names.ts';
import type { HeaderList } from './request-headers.ts';

/**
 * Response headers that are never relayed, not even from the frontend's server. They control our
 * origin or its storage, identify the user, or contain a token.
 */
const neverRelayed = new Set([
  'authorization',
  'set-login',
  'alt-svc',
  'clear-site-data',
  'public-key-pins',
  'server',
  'set-cookie2',
  'strict-transport-security',
  'x-powered-by',
  'x-request-id',
]);

/**
 * Only the BFF registers and challenges device-bound sessions (DBSC). `X-Accel-*` controls an nginx
 * in front of the BFF.
 */
const neverRelayedPrefixes = ['secure-session-', 'x-accel-'];

/** Response headers that apply to the whole origin: relayed from the frontend's server only. */
const fromApplicationOnly = new Set([
  'accept-ch',
  'critical-ch',
  'nel',
  'origin-agent-cluster',
  'report-to',
  'reporting-endpoints',
  'service-worker-allowed',
  'use-as-dictionary',
  // Earlier names of the DBSC headers.
  'sec-session-challenge',
  'sec-session-registration',
  // Make a web server in front of the BFF send one of its own files.
  'x-lighttpd-send-file',
  'x-sendfile',
]);

/** Rules for shared caches that overrule `Cache-Control` (RFC 9213), in their several spellings. */
const forSharedCaches = /^(.*-)?cdn-cache-control$|^surrogate-control$/;

/** Options for the response headers of a route. */
export interface UpstreamResponseHeaderRules {
  /** Default headers, with names in lower case. A header of the upstream overrides its default. */
  readonly defaults: Readonly<Record<string, string>>;
  readonly ourCookies: readonly string[];
  /** Whether responses are for one user, so that no shared cache may store them. */
  readonly isPersonal: boolean;
  /** Whether the upstream serves the frontend. */
  readonly isFrontend: boolean;
  /** Whether it serves the frontend to signed-in users only. By default it does not. */
  readonly isProtected?: boolean;
}

/**
 * Response headers that a route with a token does not relay: directives for shared caches, DPoP
 * nonces (RFC 9449 §9) and CORS permissions, which the CSRF rules refuse anyway.
 */
const isDroppedIfPersonal = (name: string) =>
  forSharedCaches.test(name) || name === 'dpop-nonce' || name.startsWith('access-control-');

/**
 * What happens to a header of the upstream. A `considered` header is `set-cookie` or overrides one
 * of our defaults; its value is checked.
 */
type Decision = 'passed' | 'considered' | 'dropped';

/** Creates the response headers of one route. The decision for each header name is cached. */
export class UpstreamResponseHeaders {
  readonly #defaults: HeaderList;
  /** The index of each default header's value in `#defaults`. */
  readonly #indexes: ReadonlyMap<string, number>;
  readonly #isPersonal: boolean;
  readonly #isFrontend: boolean;
  readonly #isProtected: boolean;
  readonly #withoutOurs: CookieFilter;
  readonly #decisionFor: (name: string) => Decision;

  constructor(rules: UpstreamResponseHeaderRules) {
    const { defaults, ourCookies, isPersonal, isFrontend, isProtected = false } = rules;
    // A shared cache in front of the BFF sees a cookie, not the `Authorization` header that the
    // upstream received (RFC 9111 §3.5).
    const all = {
      ...defaults,
      ...(isPersonal && { 'cache-control': 'no-store' }),
      ...(isProtected && { 'cache-control': 'private, no-cache', vary: 'Cookie' }),
    };
    this.#defaults = Object.entries(all).flat();
    this.#indexes = new Map(Object.keys(all).map((name, index) => [name, 2 * index + 1]));
    this.#isPersonal = isPersonal;
    this.#isFrontend = isFrontend;
    this.#isProtected = isProtected;
    this.#withoutOurs = cookieFilter(ourCookies);
    this.#decisionFor = cachedByName((name) => this.#decide(name));
  }

  /**
   * Returns the headers for the browser: our defaults, and the headers that the upstream may set.
   */
  of(upstream: IncomingHttpHeaders, requestId: string): HeaderList {
    const named = connectionOptions(upstream.connection);
    const headers = this.#defaults.slice();
    headers.push('x-request-id', requestId);
    for (const name of Object.keys(upstream)) {
      const decision = this.#decisionFor(name);
      if (decision === 'dropped' || named?.has(normalizedName(name))) continue;
      const value =
        decision === 'passed' ? upstream[name] : this.#considered(name, upstream[name] ?? []);
      if (value === undefined) continue;
      const index = decision === 'passed' ? undefined : this.#indexes.get(name);
      if (index === undefined) headers.push(name, value);
      else headers[index] = value;
    }
    return headers;
  }

  #decide(name: string): Decision {
    if (hopByHop.has(name) || neverRelayed.has(name)) return 'dropped';
    if (neverRelayedPrefixes.some((prefix) => name.startsWith(prefix))) return 'dropped';
    if (!this.#isFrontend && fromApplicationOnly.has(name)) return 'dropped';
    if (this.#isPersonal && isDroppedIfPersonal(name)) return 'dropped';
    if (this.#isProtected && forSharedCaches.test(name)) return 'dropped';
    return name === 'set-cookie' || this.#indexes.has(name) ? 'considered' : 'passed';
  }

  /**
   * Returns the permitted value of a header. `undefined` if nothing is left or our value applies.
   */
  #considered(name: string, value: string | string[]): string | string[] | undefined {
    if (name === 'set-cookie') return this.#foreignCookies([value].flat());
    if (name === 'cache-control' && this.#isPersonal && !isPrivate(value)) return undefined;
    if (this.#isProtected) return protectedValue(name, String(value));
    return value;
  }

  /** Removes cookies with our names: an upstream must not set or delete them. */
  #foreignCookies(lines: string[]): string[] | undefined {
    const kept = lines.filter((line) => !this.#isOurs(line));
    return kept.length > 0 ? kept : undefined;
  }

  #isOurs(setCookie: string): boolean {
    const [pair = ''] = setCookie.split(';', 1);
    return this.#withoutOurs(pair) === undefined;
  }
}

/** Makes the caching rules of a protected frontend private. Other headers stay as they are. */
function protectedValue(name: string, value: string): string {
  if (name === 'vary') return `${value}, Cookie`;
  if (name !== 'cache-control' || isPrivate(value)) return value;
  const rules = value.split(',').map((rule) => rule.trim());
  const others = rules.filter((rule) => rule && !/^(public|private|s-maxage)\b/i.test(rule));
  return ['private', ...others].join(', ');
}

/**
 * Whether shared caches may store nothing of the response. With field names, `private="set-cookie"`
 * protects only those fields (RFC 9111 §5.2.2.7).
 */
function isPrivate(cacheControl: string | string[]): boolean {
  const withoutQuoted = String(cacheControl).replace(/"[^"]*"?/g, '""');
  return withoutQuoted.split(',').some((rule) => /^\s*(private|no-store)\s*$/i.test(rule));
}
