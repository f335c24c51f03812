import type { IncomingHttpHeaders } from 'node:http';
import { hopByHop } from '../config/hop-by-hop.ts';
import { type CookieFilter, cookieFilter } from '../session/cookies.ts';
import { namedByConnection, remembered, spelling } from './header-names.ts';
import { nextSpan } from './trace.ts';

/** Header fields for one message: names in lower case, several values as a list. */
export type Headers = Record<string, string | string[]>;

/** The same as names and values in turn, which is the cheapest form to write. No name comes twice. */
export type HeaderList = (string | string[])[];

/** A list less the headers of one name. */
export function without(removed: string, headers: HeaderList): HeaderList {
  return headers.filter((_, index) => headers[index - (index % 2)] !== removed);
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
  readonly #removed: ReadonlySet<string>;
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
    const passed = new Set(rules.pass.map((name) => name.toLowerCase()));
    this.#verdictOn = remembered((name) => judged(name, replaced, passed));
  }

  /**
   * The headers an upstream receives: what the client sent, less what only we may say, and what we say; `host` is the server's.
   * `authorization` is the value of the one such header. Absent: none is sent.
   */
  of(incoming: IncomingHttpHeaders, facts: RequestFacts, authorization?: string): Headers {
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
    if (authorization !== undefined) headers['authorization'] = authorization;
    return headers;
  }

  #addCookie(headers: Headers, cookies: string | undefined, named?: ReadonlySet<string>): void {
    if (cookies === undefined || this.#removed.has('cookie') || named?.has('cookie')) return;
    const cookie = this.#withoutOurs(cookies);
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

function judged(name: string, replaced: ReadonlySet<string>, passed: ReadonlySet<string>): Verdict {
  const plain = spelling(name);
  if (replaced.has(plain) || neverPassed.has(plain)) return 'dropped';
  if (passed.has(name)) return 'passed';
  if (notForwarded.has(plain)) return 'dropped';
  if (!aboutTheClient.test(plain)) return 'passed';
  return name === plain ? 'passed from a trusted peer' : 'dropped';
}
