import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { hopByHop } from '../config/hop-by-hop.ts';
import { withoutCookies } from '../session/cookies.ts';

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

/** What we say of the client, and what a trusted proxy before us has said already. */
export interface ForwardingFacts {
  readonly clientAddress: string;
  /** Our own origin, as browsers see it. */
  readonly publicUrl: string;
  readonly requestId: string;
  /** The peer is one of `server.trustedProxies`: its forwarding headers are kept and extended. */
  readonly isTrustedPeer: boolean;
}

/** What decides over the headers of one request to an upstream. */
export interface RequestHeaderRules extends ForwardingFacts {
  readonly host: string;
  /** The value of the one `Authorization` header. Absent: none is sent. */
  readonly authorization?: string | undefined;
  /** The CSRF header, for us alone. */
  readonly csrfHeader: string;
  readonly ourCookies: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
  /** Names that are passed although they would be dropped, in this spelling. */
  readonly pass: readonly string[];
}

/** The headers an upstream receives: what the client sent, less what only we may say, and what we say. */
export function requestHeaders(incoming: IncomingHttpHeaders, rules: RequestHeaderRules): Headers {
  const removed = new Set(rules.remove.map(spelling));
  const replaced = [rules.csrfHeader, ...Object.keys(rules.set)].map(spelling);
  const dropped = new Set([...removed, ...replaced, ...namedByConnection(incoming.connection)]);
  const passed = new Set(rules.pass.map((name) => name.toLowerCase()));
  const headers: Headers = {};
  for (const [name, value] of Object.entries(incoming)) {
    if (value === undefined || dropped.has(spelling(name))) continue;
    if (mayPass(name, rules) || (passed.has(name) && !neverPassed.has(name))) headers[name] = value;
  }
  const cookie = withoutCookies(incoming.cookie, rules.ourCookies);
  if (cookie !== undefined && !dropped.has('cookie')) headers['cookie'] = cookie;
  // What we say ourselves: no `Connection` of the client's takes it away, only the operator does (CVE-2025-48865).
  for (const [name, value] of Object.entries(forwardingHeaders(incoming, rules))) {
    if (!removed.has(name)) headers[name] = value;
  }
  for (const [name, value] of Object.entries(rules.set)) headers[name.toLowerCase()] = value;
  headers['host'] = rules.host;
  if (rules.authorization !== undefined) headers['authorization'] = rules.authorization;
  return headers;
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

/** The headers a browser receives: the upstream's, less what is not for one upstream to decide. */
export function responseHeaders(
  upstream: IncomingHttpHeaders,
  rules: ResponseHeaderRules,
): Headers {
  const dropped = namedByConnection(upstream.connection);
  const headers: Headers = {};
  for (const [name, value] of Object.entries(upstream)) {
    const isDropped = hopByHop.has(name) || dropped.has(name) || aboutOurOrigin.has(name);
    if (value === undefined || isDropped || name === 'set-cookie') continue;
    if (rules.isPersonal && forSharedCaches.test(name)) continue;
    headers[name] = value;
  }
  const cookies = [upstream['set-cookie'] ?? []].flat();
  const theirs = cookies.filter((line) => !isOurs(line, rules.ourCookies));
  if (theirs.length > 0) headers['set-cookie'] = theirs;
  // A shared cache before us sees a cookie, not the Authorization the upstream answered to (RFC 9111 §3.5).
  if (rules.isPersonal && !isPrivate(headers['cache-control'])) {
    headers['cache-control'] = 'no-store';
  }
  return headers;
}

/** With field names, `private="set-cookie"` leaves the rest of the answer to shared caches (RFC 9111 §5.2.2.7). */
function isPrivate(cacheControl: string | string[] | undefined): boolean {
  const withoutQuoted = String(cacheControl ?? '').replace(/"[^"]*"?/g, '""');
  return withoutQuoted.split(',').some((rule) => /^\s*(private|no-store)\s*$/i.test(rule));
}

function mayPass(name: string, rules: ForwardingFacts): boolean {
  const plain = spelling(name);
  if (notForwarded.has(plain)) return false;
  return !aboutTheClient.test(plain) || (rules.isTrustedPeer && name === plain);
}

/** Underscores count as hyphens: many servers hand both to an application under one name (CVE-2025-64484). */
function spelling(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

function forwardingHeaders(incoming: IncomingHttpHeaders, rules: ForwardingFacts): Headers {
  const { host, protocol } = new URL(rules.publicUrl);
  const { clientAddress } = rules;
  const proto = protocol.slice(0, -1);
  const trusted = rules.isTrustedPeer ? incoming : {};
  const chain = trusted['x-forwarded-for'];
  // "an IPv6 address is always enclosed in square brackets" (RFC 7239 §6.1)
  const node = clientAddress.includes(':') ? `[${clientAddress}]` : clientAddress;
  return {
    'x-forwarded-for': chain ? `${String(chain)}, ${clientAddress}` : clientAddress,
    'x-forwarded-host': host,
    'x-forwarded-proto': proto,
    ...(trusted.forwarded && {
      forwarded: `${trusted.forwarded}, for="${node}";host="${host}";proto=${proto}`,
    }),
    'x-request-id': rules.requestId,
    traceparent: nextSpan(trusted['traceparent']),
  };
}

/** Continues a trusted trace, or begins one (W3C Trace Context §3.2); an id of zeros is none. */
function nextSpan(parent: string | string[] | undefined): string {
  const [, traceId = randomBytes(16).toString('hex'), flags = '01'] =
    /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/.exec(String(parent)) ?? [];
  return `00-${traceId}-${randomBytes(8).toString('hex')}-${flags}`;
}

/** "Intermediaries MUST parse a received Connection header field … and remove any header field with that name" (RFC 9110 §7.6.1). */
function namedByConnection(connection: string | undefined): Set<string> {
  const names = String(connection ?? '').split(',');
  return new Set(names.map((name) => spelling(name.trim())).filter(Boolean));
}

function isOurs(setCookie: string, ourCookies: readonly string[]): boolean {
  const [pair = ''] = setCookie.split(';', 1);
  // Browsers send a cookie without a name as its bare value: `=bff=evil` comes back as `bff=evil` (RFC 6265bis §5.8.3).
  return withoutCookies(pair.replace(/^[\s=]+/, ''), ourCookies) === undefined;
}
