import type { IncomingHttpHeaders } from 'node:http';
import { hopByHop } from '../../http/hop-by-hop.ts';
import { type CookieFilter, cookieFilter } from '../../session/cookie/cookies.ts';
import { namedByConnection, remembered, spelling } from './header-names.ts';
import { isIdentityHeader } from './identity-headers.ts';
import { isContinued, nextSpan } from './trace.ts';

/**
 * Header fields for one message as names and values in turn, which is the cheapest form to make and
 * to write: names in lower case, none of them twice, several values as a list.
 */
export type HeaderList = (string | string[])[];

/** A list less the headers of one name. */
export function without(removed: string, headers: HeaderList): HeaderList {
  return headers.filter((_, index) => headers[index - (index % 2)] !== removed);
}

/** The value of the header of this name. Absent: there is none. */
export function valueOf(wanted: string, headers: HeaderList): string | string[] | undefined {
  return headers.find((_, index) => index % 2 === 1 && headers[index - 1] === wanted);
}

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
    'x-client-(dn|s-dn|verify)(-.*)?',
    'cf-.*',
  ].join('|')})$`,
);

/**
 * Answered by us (`expect`), ours to make (`host`, `cookie`), or a credential other than the
 * session's.
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
 * Passed on unchanged from a trusted proxy. Its forwarding chains and trace context become part of
 * the headers that we set.
 */
const believed = new Set(['x-forwarded-port', 'tracestate']);

/** What we say of every request, whatever its client says. */
const saidByUs = [
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
  'traceparent',
];

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
  readonly clientAddress: string;
  readonly requestId: string;
  /**
   * Whether the peer is in `server.trustedProxies`. Its forwarding and trace headers are kept and
   * extended.
   */
  readonly isTrustedPeer: boolean;
  /** The operator's headers. */
  readonly set: HeaderList;
}

/** What becomes of a header of the client. */
type Verdict = 'passed' | 'passed from a trusted peer' | 'dropped';

/** The rules for the requests of one route. Names are judged once, not with every request. */
export class RequestHeaders {
  readonly #removed: ReadonlySet<string>;
  /** What we would say, but the operator removes. */
  readonly #unsaid: readonly string[];
  /** What we say unless the operator says something else, which may depend on a claim. */
  readonly #contested: readonly string[];
  readonly #verdictOn: (name: string) => Verdict;
  readonly #publicHost: string;
  readonly #publicScheme: string;
  readonly #withoutOurs: CookieFilter;

  constructor(rules: RequestHeaderRules) {
    const { host, protocol } = new URL(rules.publicUrl);
    this.#publicHost = host;
    this.#publicScheme = protocol.slice(0, -1);
    this.#withoutOurs = cookieFilter(rules.ourCookies);
    this.#removed = new Set(rules.remove.map(spelling));
    const replaced = new Set([rules.csrfHeader, ...rules.set, ...rules.remove].map(spelling));
    this.#unsaid = [...saidByUs, 'forwarded'].filter((name) => this.#removed.has(name));
    this.#contested = saidByUs.filter((name) => rules.set.includes(name));
    const passed = new Set(rules.pass.map((name) => name.toLowerCase()));
    this.#verdictOn = remembered((name) => judged(name, replaced, passed));
  }

  /**
   * The headers an upstream receives: what the client sent, less what only we may say, and what we
   * say; `host` is the server's. `authorization` is the value of the one such header. Absent: none
   * is sent.
   */
  of(incoming: IncomingHttpHeaders, facts: RequestFacts, authorization?: string): HeaderList {
    const { isTrustedPeer, set } = facts;
    const named = namedByConnection(incoming.connection);
    const headers = this.#ours(incoming, facts);
    if (authorization !== undefined) headers.push('authorization', authorization);
    for (const name of Object.keys(incoming)) {
      const verdict = this.#verdictOn(name);
      if (verdict === 'dropped' || named?.has(spelling(name))) continue;
      if (verdict === 'passed from a trusted peer' && !isTrustedPeer) continue;
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
      : this.#withoutOurs(cookies);
  }

  /**
   * No `Connection` of the client's takes away what we say ourselves, only the operator does
   * (CVE-2025-48865).
   */
  #ours(
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
    const otherwise = this.#contested.filter((name) => valueOf(name, set) !== undefined);
    return [...this.#unsaid, ...otherwise].reduce((said, name) => without(name, said), headers);
  }

  #forwardedBy(clientAddress: string): string {
    // "an IPv6 address is always enclosed in square brackets" (RFC 7239 §6.1)
    const node = clientAddress.includes(':') ? `[${clientAddress}]` : clientAddress;
    return `for="${node}";host="${this.#publicHost}";proto=${this.#publicScheme}`;
  }
}

function judged(name: string, replaced: ReadonlySet<string>, passed: ReadonlySet<string>): Verdict {
  const plain = spelling(name);
  if (replaced.has(plain) || neverPassed.has(plain) || saidByUs.includes(name)) return 'dropped';
  // Where a body ends is said once: to servers that take both for the same this would be another
  // end.
  if (name === 'content_length') return 'dropped';
  if (passed.has(name)) return 'passed';
  if (believed.has(name)) return 'passed from a trusted peer';
  const isDropped =
    notForwarded.has(plain) || aboutTheClient.test(plain) || isIdentityHeader(plain);
  return isDropped ? 'dropped' : 'passed';
}
