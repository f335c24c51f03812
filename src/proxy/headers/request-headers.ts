import type { IncomingHttpHeaders } from 'node:http';
import { hopByHop } from '../../http/hop-by-hop.ts';
import { type CookieFilter, cookieFilter } from '../../session/cookie/cookies.ts';
import { connectionOptions, cachedByName, normalizedName } from './header-names.ts';
import { isIdentityHeader } from './identity-headers.ts';
import { isContinued, nextSpan } from './trace.ts';

/**
 * Headers of one message as alternating names and values, the cheapest form to create and to write.
 * Names are unique and in lower case. A value is a list if the header occurs several times.
 */
export type HeaderList = (string | string[])[];

/** Returns the headers except those with this name. */
export function without(removed: string, headers: HeaderList): HeaderList {
  return headers.filter((_, index) => headers[index - (index % 2)] !== removed);
}

/** Returns the value of the header with this name, or `undefined` if there is none. */
export function valueOf(name: string, headers: HeaderList): string | string[] | undefined {
  return headers.find((_, index) => index % 2 === 1 && headers[index - 1] === name);
}

/** Headers about the client or the original request, which only the BFF may set. */
const clientInformation = new RegExp(
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
    'x-client-(dn|s-dn|verify)(-.*)?',
    'cf-.*',
  ].join('|')})$`,
);

/**
 * Headers for the BFF itself (`expect`), headers that it creates (`host`, `cookie`), and
 * credentials. `routes[].headers.pass` may name some of them.
 */
const notForwarded = new Set([
  ...hopByHop,
  'expect',
  'host',
  'cookie',
  'authorization',
  'dpop',
  'x-access-token',
]);

/**
 * Request headers that are never passed on, even if the operator lists them. The last three are
 * device proofs for the BFF (DBSC).
 */
const neverPassed = new Set([
  ...hopByHop,
  'expect',
  'host',
  'cookie',
  'secure-session-response',
  'sec-secure-session-id',
  'secure-session-skipped',
]);

/**
 * Headers that are forwarded unchanged, but only from a trusted proxy. Its other headers, such as
 * `x-forwarded-for`, become part of those that the BFF sets.
 */
const trustedPeerOnly = new Set(['x-forwarded-port', 'tracestate']);

/** Headers that the BFF sets on every request, whatever the client sends. */
const ownHeaderNames = [
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
  'traceparent',
];

/** Options for the request headers of a route. */
export interface RequestHeaderRules {
  /** The public origin of the BFF, as browsers see it. */
  readonly publicUrl: string;
  /** The name of the CSRF header, which is not forwarded. */
  readonly csrfHeader: string;
  readonly ourCookies: readonly string[];
  /** Names of headers that the operator sets. */
  readonly set: readonly string[];
  readonly remove: readonly string[];
  /**
   * Names that are forwarded although the rules would drop them. Other spellings of them are not.
   */
  readonly pass: readonly string[];
}

/** Facts about one request that are not in its headers. */
export interface RequestFacts {
  readonly clientAddress: string;
  readonly requestId: string;
  /**
   * Whether the peer is in `server.trustedProxies`. Its forwarding and trace headers are kept and
   * extended.
   */
  readonly isTrustedPeer: boolean;
  /** The headers that the operator sets. */
  readonly set: HeaderList;
}

/** What happens to a header of the client. */
type Decision = 'passed' | 'passed from a trusted peer' | 'dropped';

/** Creates the request headers of one route. The decision for each header name is cached. */
export class RequestHeaders {
  readonly #removed: ReadonlySet<string>;
  /** Our headers that the operator removes. */
  readonly #removedOwn: readonly string[];
  /** Our headers that the operator may override, depending on a claim. */
  readonly #overridable: readonly string[];
  readonly #decisionFor: (name: string) => Decision;
  readonly #publicHost: string;
  readonly #publicScheme: string;
  readonly #withoutOwnCookies: CookieFilter;

  constructor(rules: RequestHeaderRules) {
    const { host, protocol } = new URL(rules.publicUrl);
    this.#publicHost = host;
    this.#publicScheme = protocol.slice(0, -1);
    this.#withoutOwnCookies = cookieFilter(rules.ourCookies);
    this.#removed = new Set(rules.remove.map(normalizedName));
    const replaced = new Set([rules.csrfHeader, ...rules.set, ...rules.remove].map(normalizedName));
    this.#removedOwn = [...ownHeaderNames, 'forwarded'].filter((name) => this.#removed.has(name));
    this.#overridable = ownHeaderNames.filter((name) => rules.set.includes(name));
    const passed = new Set(rules.pass.map((name) => name.toLowerCase()));
    this.#decisionFor = cachedByName((name) => decide(name, replaced, passed));
  }

  /**
   * Returns the headers for the upstream, without `host`: the permitted headers of the client, and
   * our own. `authorization` is the value of that header and replaces the client's, which is
   * forwarded only without it and if the route passes it.
   */
  of(incoming: IncomingHttpHeaders, facts: RequestFacts, authorization?: string): HeaderList {
    const { isTrustedPeer, set } = facts;
    const named = connectionOptions(incoming.connection);
    const headers = this.#ownHeaders(incoming, facts);
    if (authorization !== undefined) headers.push('authorization', authorization);
    for (const name of Object.keys(incoming)) {
      const decision = this.#decisionFor(name);
      if (decision === 'dropped' || named?.has(normalizedName(name))) continue;
      if (decision === 'passed from a trusted peer' && !isTrustedPeer) continue;
      if (name === 'tracestate' && isTrustedPeer && !isContinued(incoming['traceparent'])) continue;
      if (name === 'authorization' && authorization !== undefined) continue;
      // Our `Forwarded` header already starts with the trusted peer's value.
      if (name === 'forwarded' && isTrustedPeer) continue;
      const value = incoming[name];
      if (value !== undefined) headers.push(name, value);
    }
    const cookie = named?.has('cookie') ? undefined : this.#cookie(incoming.cookie);
    if (cookie !== undefined) headers.push('cookie', cookie);
    if (set.length > 0) headers.push(...set);
    return headers;
  }

  #cookie(cookies: string | undefined): string | undefined {
    return cookies === undefined || this.#removed.has('cookie')
      ? undefined
      : this.#withoutOwnCookies(cookies);
  }

  /**
   * Our own headers. Only the operator can remove them: the client's `Connection` header must not
   * (CVE-2025-48865).
   */
  #ownHeaders(
    incoming: IncomingHttpHeaders,
    { clientAddress, requestId, isTrustedPeer, set }: RequestFacts,
  ): HeaderList {
    const chain = isTrustedPeer ? incoming['x-forwarded-for'] : undefined;
    const headers: HeaderList = [
      'x-forwarded-for',
      chain ? `${String(chain)}, ${clientAddress}` : clientAddress,
      'x-forwarded-host',
      this.#publicHost,
      'x-forwarded-proto',
      this.#publicScheme,
      'x-request-id',
      requestId,
      'traceparent',
      nextSpan(isTrustedPeer ? incoming['traceparent'] : undefined),
    ];
    if (isTrustedPeer && incoming.forwarded)
      headers.push('forwarded', `${incoming.forwarded}, ${this.#forwardedBy(clientAddress)}`);
    const overridden = this.#overridable.filter((name) => valueOf(name, set) !== undefined);
    return [...this.#removedOwn, ...overridden].reduce(
      (kept, name) => without(name, kept),
      headers,
    );
  }

  #forwardedBy(clientAddress: string): string {
    // "an IPv6 address is always enclosed in square brackets" (RFC 7239 §6.1)
    const node = clientAddress.includes(':') ? `[${clientAddress}]` : clientAddress;
    return `for="${node}";host="${this.#publicHost}";proto=${this.#publicScheme}`;
  }
}

function decide(
  name: string,
  replaced: ReadonlySet<string>,
  passed: ReadonlySet<string>,
): Decision {
  const plain = normalizedName(name);
  if (replaced.has(plain) || neverPassed.has(plain) || ownHeaderNames.includes(name))
    return 'dropped';
  // A server that reads `content_length` as `Content-Length` would see another end of the body.
  if (name === 'content_length') return 'dropped';
  if (passed.has(name)) return 'passed';
  if (trustedPeerOnly.has(name)) return 'passed from a trusted peer';
  const isDropped =
    notForwarded.has(plain) || clientInformation.test(plain) || isIdentityHeader(plain);
  return isDropped ? 'dropped' : 'passed';
}
