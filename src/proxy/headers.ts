import type { IncomingHttpHeaders } from 'node:http';
import { hopByHop } from '../config/hop-by-hop.ts';
import { withoutCookies } from '../session/cookies.ts';
import { nextSpan } from './trace.ts';

/** Header fields for one message: names in lower case, several values as a list. */
export type Headers = Record<string, string | string[]>;

/** What only we may tell an upstream about the client and what it asked for. */
const aboutTheClient = new RegExp(
  `^(${[
    'forwarded',
    'x-forwarded(-.*)?',
    'x-original-.*',
    'x-rewrite-url',
    'x-http-method(-override)?',
    'x-method-override',
    'x-request-id',
    'traceparent',
    'tracestate',
    '(x-|true-|x-cluster-|fastly-)?client-ip',
    'x-real-ip',
    'x-azure-clientip',
    'x-(ssl-)?client-(cert|dn|s-dn|verify)(-.*)?',
    'cf-.*',
  ].join('|')})$`,
);

/** Answered by us (`expect`), ours to make (`host`, `cookie`), or a credential other than the session's. */
const notForwarded = new Set([
  ...hopByHop,
  'expect',
  'host',
  'cookie',
  'authorization',
  'dpop',
  'x-access-token',
]);

/** Not even an operator may pass these on as they are. */
const neverPassed = new Set([...hopByHop, 'expect', 'host', 'cookie']);

/** What a route decides over the headers of its requests. */
export interface RequestHeaderRules {
  /** Our own origin, as browsers see it. */
  readonly publicUrl: string;
  /** The CSRF header, for us alone. */
  readonly csrfHeader: string;
  readonly ourCookies: readonly string[];
  /** Names that have a value of the operator's. */
  readonly set: readonly string[];
  readonly remove: readonly string[];
  /** Names that are passed although they would be dropped, in this spelling. */
  readonly pass: readonly string[];
}

/** What is known of one request beside its headers. */
export interface RequestFacts {
  /** The value of the one `Authorization` header. Absent: none is sent. */
  readonly authorization?: string | undefined;
  readonly clientAddress: string;
  readonly requestId: string;
  /** The peer is one of `server.trustedProxies`: its forwarding headers are kept and extended. */
  readonly isTrustedPeer: boolean;
  /** The operator's headers, names in lower case. */
  readonly set: Headers;
}

/** What becomes of a header of the client. */
type Verdict = 'passed' | 'passed from a trusted peer' | 'dropped';

/** The rules for the requests of one route. Names are judged once, not with every request. */
export class RequestHeaders {
  readonly #rules: RequestHeaderRules;
  readonly #removed: ReadonlySet<string>;
  readonly #verdictOn: (name: string) => Verdict;
  readonly #publicHost: string;
  readonly #publicScheme: string;

  constructor(rules: RequestHeaderRules) {
    const { host, protocol } = new URL(rules.publicUrl);
    this.#publicHost = host;
    this.#publicScheme = protocol.slice(0, -1);
    this.#rules = rules;
    this.#removed = new Set(rules.remove.map(spelling));
    const replaced = new Set([rules.csrfHeader, ...rules.set, ...rules.remove].map(spelling));
    const passed = new Set(rules.pass.map((name) => name.toLowerCase()));
    this.#verdictOn = remembered((name) => judged(name, replaced, passed));
  }

  /** The headers an upstream receives: what the client sent, less what only we may say, and what we say; `host` is the server's. */
  of(incoming: IncomingHttpHeaders, facts: RequestFacts): Headers {
    const named = namedByConnection(incoming.connection);
    const headers: Headers = {};
    for (const name of Object.keys(incoming)) {
      const verdict = this.#verdictOn(name);
      if (verdict === 'dropped' || named?.has(spelling(name))) continue;
      const value = incoming[name];
      if (value !== undefined && (verdict === 'passed' || facts.isTrustedPeer))
        headers[name] = value;
    }
    this.#addCookie(headers, incoming.cookie, named);
    this.#addForwarding(headers, incoming, facts);
    Object.assign(headers, facts.set);
    if (facts.authorization !== undefined) headers['authorization'] = facts.authorization;
    return headers;
  }

  #addCookie(headers: Headers, cookies: string | undefined, named?: ReadonlySet<string>): void {
    if (cookies === undefined || this.#removed.has('cookie') || named?.has('cookie')) return;
    const cookie = withoutCookies(cookies, this.#rules.ourCookies);
    if (cookie !== undefined) headers['cookie'] = cookie;
  }

  /** No `Connection` of the client's takes away what we say ourselves, only the operator does (CVE-2025-48865). */
  #addForwarding(
    headers: Headers,
    incoming: IncomingHttpHeaders,
    { clientAddress, requestId, isTrustedPeer }: RequestFacts,
  ): void {
    const chain = isTrustedPeer ? incoming['x-forwarded-for'] : undefined;
    const ours: Headers = {
      'x-forwarded-for': chain ? `${String(chain)}, ${clientAddress}` : clientAddress,
      'x-forwarded-host': this.#publicHost,
      'x-forwarded-proto': this.#publicScheme,
      'x-request-id': requestId,
      traceparent: nextSpan(isTrustedPeer ? incoming['traceparent'] : undefined),
    };
    if (isTrustedPeer && incoming.forwarded)
      ours['forwarded'] = `${incoming.forwarded}, ${this.#forwardedBy(clientAddress)}`;
    for (const name in ours) {
      const value = ours[name];
      if (value !== undefined && !this.#removed.has(name)) headers[name] = value;
    }
  }

  #forwardedBy(clientAddress: string): string {
    // "an IPv6 address is always enclosed in square brackets" (RFC 7239 §6.1)
    const node = clientAddress.includes(':') ? `[${clientAddress}]` : clientAddress;
    return `for="${node}";host="${this.#publicHost}";proto=${this.#publicScheme}`;
  }
}

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

/** What decides over the headers of one answer. */
export interface ResponseHeaderRules {
  readonly ourCookies: readonly string[];
  /** The answer was made for one user: nobody may keep it for another. */
  readonly isPersonal: boolean;
}

const staysBehind = remembered((name) => hopByHop.has(name) || aboutOurOrigin.has(name));
/** Also what an upstream wants in the next proof that we make (RFC 9449 §9). */
const isNotForUsers = remembered((name) => forSharedCaches.test(name) || name === 'dpop-nonce');

/** The headers a browser receives: the upstream's, less what is not for one upstream to decide. */
export function responseHeaders(
  upstream: IncomingHttpHeaders,
  { ourCookies, isPersonal }: ResponseHeaderRules,
): Headers {
  const named = namedByConnection(upstream.connection);
  const headers: Headers = {};
  for (const name of Object.keys(upstream)) {
    const value = upstream[name];
    if (value === undefined || staysBehind(name) || named?.has(spelling(name))) continue;
    if (isPersonal && isNotForUsers(name)) continue;
    headers[name] = value;
  }
  if (headers['set-cookie']) keepTheirs(headers, ourCookies);
  // A shared cache before us sees a cookie, not the Authorization the upstream answered to (RFC 9111 §3.5).
  if (isPersonal && !isPrivate(headers['cache-control'])) headers['cache-control'] = 'no-store';
  return headers;
}

/** No upstream sets or deletes a cookie with a name of ours. */
function keepTheirs(headers: Headers, ourCookies: readonly string[]): void {
  const lines = [headers['set-cookie'] ?? []].flat();
  const theirs = lines.filter((line) => !isOurs(line, ourCookies));
  if (theirs.length > 0) headers['set-cookie'] = theirs;
  else delete headers['set-cookie'];
}

/** With field names, `private="set-cookie"` leaves the rest of the answer to shared caches (RFC 9111 §5.2.2.7). */
function isPrivate(cacheControl: string | string[] | undefined): boolean {
  if (cacheControl === undefined) return false;
  const withoutQuoted = String(cacheControl).replace(/"[^"]*"?/g, '""');
  return withoutQuoted.split(',').some((rule) => /^\s*(private|no-store)\s*$/i.test(rule));
}

function judged(name: string, replaced: ReadonlySet<string>, passed: ReadonlySet<string>): Verdict {
  const plain = spelling(name);
  if (replaced.has(plain) || neverPassed.has(plain)) return 'dropped';
  if (passed.has(name)) return 'passed';
  if (notForwarded.has(plain)) return 'dropped';
  if (!aboutTheClient.test(plain)) return 'passed';
  return name === plain ? 'passed from a trusted peer' : 'dropped';
}

/** Underscores count as hyphens: many servers hand both to an application under one name (CVE-2025-64484). */
function spelling(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/**
 * "Intermediaries MUST parse a received Connection header field … and remove any header field with that name" (RFC 9110
 * §7.6.1). Absent: it names none.
 */
function namedByConnection(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close')
    return undefined;
  const names = String(connection).split(',');
  return new Set(names.map((name) => spelling(name.trim())).filter(Boolean));
}

function isOurs(setCookie: string, ourCookies: readonly string[]): boolean {
  const [pair = ''] = setCookie.split(';', 1);
  // Browsers send a cookie without a name as its bare value: `=bff=evil` comes back as `bff=evil` (RFC 6265bis §5.8.3).
  return withoutCookies(pair.replace(/^[\s=]+/, ''), ourCookies) === undefined;
}

/** Judges every name once. It remembers so many and no more, for names come from outside. */
function remembered<Judgement>(judge: (name: string) => Judgement): (name: string) => Judgement {
  const judgements = new Map<string, Judgement>();
  return (name) => {
    const known = judgements.get(name);
    if (known !== undefined) return known;
    const judgement = judge(name);
    if (judgements.size < 1_000) judgements.set(name, judgement);
    return judgement;
  };
}
