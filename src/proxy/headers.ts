import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { withoutCookies } from '../session/cookies.ts';

/** Header fields for one message: names in lower case, several values as a list. */
export type Headers = Record<string, string | string[]>;

/** Meant for the next hop only (RFC 9110 §7.6.1), whichever direction they come from. */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
];

/** What only we may tell an upstream about the client, in any spelling. */
const aboutTheClient =
  /^(forwarded|x-forwarded(-.*)?|x-real-ip|x-original-(url|uri|host|forwarded-.*)|x-rewrite-url|x-http-method-override|x-request-id|traceparent|tracestate|true-client-ip|x-client-(cert|ip)|cf-connecting-ip)$/;

/** Never sent on: answered by us (`expect`), ours to make (`host`), or a credential (`authorization`, `dpop`). */
const notForwarded = new Set([...hopByHop, 'expect', 'host', 'authorization', 'dpop', 'cookie']);

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
  /** Names that are passed although they would be dropped, `authorization` on a route without a token. */
  readonly pass: readonly string[];
}

/** The headers an upstream receives (contract §2). */
export function requestHeaders(incoming: IncomingHttpHeaders, rules: RequestHeaderRules): Headers {
  const dropped = namedByConnection(incoming.connection);
  for (const name of [rules.csrfHeader, ...rules.remove]) dropped.add(name.toLowerCase());
  const passed = new Set(rules.pass.map((name) => name.toLowerCase()));
  const headers: Headers = {};
  for (const [name, value] of Object.entries(incoming)) {
    if (value === undefined || dropped.has(name)) continue;
    if (mayPass(name, rules) || passed.has(name)) headers[name] = value;
  }
  const cookie = withoutCookies(incoming.cookie, rules.ourCookies);
  if (cookie !== undefined && !dropped.has('cookie')) headers['cookie'] = cookie;
  Object.assign(headers, forwardingHeaders(incoming, rules));
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
  'strict-transport-security',
  'x-powered-by',
]);

/** What decides over the headers of one answer. */
export interface ResponseHeaderRules {
  readonly ourCookies: readonly string[];
  /** The answer was made for one user: nobody may keep it for another. */
  readonly isPersonal: boolean;
}

/** The headers a browser receives from an upstream (contract §2). */
export function responseHeaders(
  upstream: IncomingHttpHeaders,
  rules: ResponseHeaderRules,
): Headers {
  const dropped = namedByConnection(upstream.connection);
  const headers: Headers = {};
  for (const [name, value] of Object.entries(upstream)) {
    const isDropped = hopByHop.includes(name) || dropped.has(name) || aboutOurOrigin.has(name);
    if (value === undefined || isDropped || name === 'set-cookie') continue;
    headers[name] = value;
  }
  const cookies = (upstream['set-cookie'] ?? []).filter((line) => !isOurs(line, rules.ourCookies));
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  // A shared cache before us sees a cookie, not the Authorization the upstream answered to (RFC 9111 §3.5).
  const isPrivate = /\b(private|no-store)\b/i.test(String(headers['cache-control'] ?? ''));
  if (rules.isPersonal && !isPrivate) headers['cache-control'] = 'no-store';
  return headers;
}

/** Underscores count as hyphens: many servers hand both to an application under one name (CVE-2025-64484). */
function mayPass(name: string, rules: ForwardingFacts): boolean {
  const spelling = name.replaceAll('_', '-');
  if (notForwarded.has(spelling)) return false;
  return !aboutTheClient.test(spelling) || (rules.isTrustedPeer && name === spelling);
}

function forwardingHeaders(incoming: IncomingHttpHeaders, rules: ForwardingFacts): Headers {
  const { host, protocol } = new URL(rules.publicUrl);
  const trusted = rules.isTrustedPeer ? incoming : {};
  const chain = trusted['x-forwarded-for'];
  return {
    'x-forwarded-for': chain ? `${String(chain)}, ${rules.clientAddress}` : rules.clientAddress,
    'x-forwarded-host': host,
    'x-forwarded-proto': protocol.slice(0, -1),
    ...(trusted.forwarded && {
      forwarded: `${trusted.forwarded}, for="${rules.clientAddress}";host="${host}"`,
    }),
    'x-request-id': rules.requestId,
    traceparent: nextSpan(trusted['traceparent']),
  };
}

/** Continues a trusted trace, or begins one (W3C Trace Context §3.2). */
function nextSpan(parent: string | string[] | undefined): string {
  const [, traceId = randomBytes(16).toString('hex'), flags = '01'] =
    /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/.exec(String(parent)) ?? [];
  return `00-${traceId}-${randomBytes(8).toString('hex')}-${flags}`;
}

/** "Intermediaries MUST parse a received Connection header field … and remove any header field with that name" (RFC 9110 §7.6.1). */
function namedByConnection(connection: string | undefined): Set<string> {
  const names = (connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  return new Set(names.filter(Boolean));
}

function isOurs(setCookie: string, ourCookies: readonly string[]): boolean {
  const [pair = ''] = setCookie.split(';', 1);
  return withoutCookies(pair, ourCookies) === undefined;
}
