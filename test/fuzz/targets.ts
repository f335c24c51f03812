import { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Request } from 'express';
import { formOf } from '../../src/http/form.ts';
import { parameter, queryOf } from '../../src/http/query.ts';
import { safeReturnUrl } from '../../src/auth/login/return-url.ts';
import { renderErrorPage } from '../../src/http/error-page.ts';
import { BffError } from '../../src/errors.ts';
import { isNavigation } from '../../src/http/navigation.ts';
import { checkIntrospection } from '../../src/oauth/bearer/introspection.ts';
import { checkClaims, checkHeader, decodeJwt } from '../../src/oauth/bearer/jwt-access-token.ts';
import { requiresNonce } from '../../src/oauth/client/dpop.ts';
import { partiesOf } from '../../src/oauth/logout/logout-token.ts';
import { UpstreamResponseHeaders } from '../../src/proxy/headers/response-headers.ts';
import { headersFrom } from '../../src/proxy/headers/claim-headers.ts';
import { FrameBoundary } from '../../src/proxy/forward/frames.ts';
import { type HeaderList, RequestHeaders } from '../../src/proxy/headers/request-headers.ts';
import { canonicalTarget } from '../../src/proxy/path.ts';
import { Routes, upstreamPath } from '../../src/proxy/routes.ts';
import { stepUpReader } from '../../src/proxy/authorize/step-up.ts';
import { plainAddress, TrustedPeers } from '../../src/proxy/headers/trusted-peers.ts';
import { cookieFilter } from '../../src/session/cookie/cookies.ts';
import { route } from '../support/bff/route.ts';
import type { Target } from './fuzz.ts';

const ours = ['__Host-Http-bff', '__Host-Http-bff-login'];
const withoutOurs = cookieFilter(ours);
const publicUrl = 'https://app.example.test';

/** Throws if a property does not hold. */
function hold(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Error(what);
}

/** The result of `work`, `undefined` if it throws an error with one of these codes. */
function resultOf<T>(work: () => T, ...codes: readonly string[]): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof BffError && codes.includes(error.code)) return undefined;
    throw new Error(`threw ${String(error)}`, { cause: error });
  }
}

/** The name of a cookie as lenient servers read it. */
function lenientName(cookie: string): string {
  const [name = ''] = cookie.split('=');
  return name.replaceAll(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]/g, '').toLowerCase();
}

const isOurs = (cookie: string) => ours.some((name) => name.toLowerCase() === lenientName(cookie));

const cookies: Target = {
  name: 'cookies',
  words: [...ours, 'bff', '=', '; ', '__host-HTTP-bff=1', '"', 's%3Aa.b', 'theme=dark'],
  check(header) {
    const kept = withoutOurs(header);
    const again = withoutOurs(kept);
    hold(again === kept, `what was kept became ${JSON.stringify(again)}`);
    hold(!(kept ?? '').split(';').some(isOurs), `passed ${JSON.stringify(kept)}`);
    const harmless = withoutOurs(`theme=dark; ${header}`);
    hold(harmless?.startsWith('theme=dark') ?? false, 'lost the cookie before it');
  },
};

const setCookies: Target = {
  name: 'set-cookies',
  words: [...ours, '=', '==', ';', 'Path=/', 'Domain=example.test', 'Secure', '\t'],
  check(line) {
    const rules = { defaults: {}, ourCookies: ours, isPersonal: true, isFrontend: false };
    const relayed = new UpstreamResponseHeaders(rules).of(
      { 'set-cookie': [line, 'theme=dark'] },
      'id',
    );
    const lines = relayed.flat().filter((value) => value === line);
    const [pair = ''] = line.split(';');
    // A cookie without a name comes back as its bare value.
    const sent = pair.replace(/^[\s=]+/, '');
    hold(lines.length === 0 || !isOurs(sent), 'sets a cookie of ours');
    hold(relayed.flat().includes('theme=dark'), 'took the harmless one away');
  },
};

const configured = [
  route({ path: '/api' }),
  route({ path: '/api/orders', rewrite: '/v2/orders' }),
  route({ path: '/api/@me', stripPrefix: true }),
  route({ path: '/reports', rewrite: '/' }),
];
const routes = new Routes(configured, ['/bff']);

/** A path as a server resolves it: decoded once more, without parameters and dot segments. */
function resolved(sent: string): string {
  const decoded = decodeURIComponent(sent.split('?', 1)[0] ?? '')
    .replaceAll('\\', '/')
    .replaceAll(/;[^/]*/g, '');
  const escaped = decoded.replaceAll(/%(?![0-9a-f]{2})/gi, '%25');
  const url = new URL(`http://u${escaped.replaceAll('?', '%3F').replaceAll('#', '%23')}`);
  return decodeURIComponent(url.pathname);
}

const paths: Target = {
  name: 'paths',
  words: ['/api', '/orders', '/@me', '/%40me', '/reports', '/bff', '/user', '..', '%2e', '%2F'],
  check(text) {
    const target = resultOf(() => canonicalTarget(text), 'bad_path');
    if (!target) return;
    const { path, query } = target;
    const again = canonicalTarget(path + query);
    hold(again.path === path && again.query === query, `canonical, it became ${again.path}`);
    const found = resultOf(() => routes.match(path), 'bad_path');
    if (!found) return;
    const meaning = decodeURIComponent(path).split('/');
    hold(meaning[1] !== 'bff', 'an endpoint of ours was proxied');
    const prefix = found.path.split('/');
    hold(
      prefix.every((segment, index) => segment === meaning[index]),
      `went to ${found.path}`,
    );
    const front = found.rewrite ?? (found.stripPrefix ? '/' : found.path);
    const inside = front === '/' ? '/base' : `/base${front}`;
    const there = resolved(upstreamPath(found, '/base', path) + query);
    hold(there === inside || there.startsWith(`${inside}/`), `left ${inside} for ${there}`);
  },
};

const rules = {
  publicUrl,
  basePath: '/bff',
  defaultReturnUrl: '/',
  allowedReturnOrigins: ['https://other.example.test'],
};

const returnUrls: Target = {
  name: 'return-urls',
  words: ['/', '//', '\\', '%2F', '%5C', '%25', '/.', '..', 'https://other.example.test', '@evil'],
  check(text) {
    const safe = resultOf(() => safeReturnUrl(text, rules), 'invalid_return_url');
    if (safe === undefined) return;
    const { origin, pathname } = new URL(safe, publicUrl);
    const isAllowed = [publicUrl, ...rules.allowedReturnOrigins].includes(origin);
    hold(isAllowed, `leads to ${origin}`);
    hold(/^[\x21-\x7e]+$/.test(safe), 'does not fit into a header');
    if (origin !== publicUrl) return;
    hold(/^\/(?![/\\])/.test(safe), `${safe} could be another host`);
    hold(!/^\/bff\/(login|logout|callback|connect)(\/|$)/.test(pathname), 'leads in circles');
    // Percent-encoded it may be longer than what is taken.
    if (safe.length > 2_048) return;
    hold(safeReturnUrl(safe, rules) === safe, 'is not its own safe form');
  },
};

/** Codes of what is wrong with parameters. */
const badParameters = ['invalid_request', 'invalid_return_url', 'body_too_large'] as const;

const queries: Target = {
  name: 'queries',
  words: ['?', '&', '=', 'returnUrl', 'state', 'provider', '[]', '[', '%00', '__proto__', '+'],
  check(text) {
    const query = resultOf(
      () => queryOf({ originalUrl: `/bff/login?${text}` } as Request),
      ...badParameters,
    );
    if (!query) return;
    const sent = new URLSearchParams(text);
    for (const name of ['returnUrl', 'state', 'provider']) {
      const value = resultOf(() => parameter(query, name), ...badParameters);
      if (value === undefined) continue;
      hold(sent.getAll(name).length === 1, `${name} is repeated`);
      hold(name === 'returnUrl' || !/\p{Cc}/u.test(value), `${name} has control characters`);
    }
  },
};

const forms: Target = {
  name: 'forms',
  words: ['application/x-www-form-urlencoded', '\n', '&', '=', 'logout_token', 'charset=utf-8'],
  most: 66 * 1024,
  async check(text) {
    const [type = '', ...lines] = text.split('\n');
    const headers: IncomingHttpHeaders = { 'content-type': type };
    const request = Object.assign(Readable.from([Buffer.from(lines.join('\n'))]), { headers });
    try {
      const form = await formOf(request as unknown as IncomingMessage);
      const isForm = /^application\/x-www-form-urlencoded/i.test(type);
      hold(isForm || form.size === 0, 'read a body of another type');
    } catch (error) {
      const isRefusal =
        error instanceof BffError && badParameters.some((code) => code === error.code);
      if (!isRefusal) throw error;
    }
  },
};

/** Where frames end and whether one closes, read all at once. */
function readFrames(bytes: Buffer): { readonly isReached: boolean; readonly hasClosed: boolean } {
  let at = 0;
  let hasClosed = false;
  while (at + 2 <= bytes.length) {
    hasClosed ||= ((bytes[at] ?? 0) & 0x0f) === 8;
    const second = bytes[at + 1] ?? 0;
    const short = second & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    const header = 2 + extended + (second & 0x80 ? 4 : 0);
    if (at + header > bytes.length) return { isReached: false, hasClosed };
    const length = bytes
      .subarray(at + 2, at + 2 + extended)
      .reduce((sum, byte) => sum * 256 + byte, 0);
    at += header + (extended > 0 ? length : short);
  }
  if (at < bytes.length) hasClosed ||= ((bytes[at] ?? 0) & 0x0f) === 8;
  return { isReached: at === bytes.length, hasClosed };
}

const frames: Target = {
  name: 'frames',
  words: ['\x81\x05hello', '\x88\x02\x03\xe9', '\x82\x7e\x00\x7e', '\x82\x7f\0\0\0\0\0\0\0\x01a'],
  check(text) {
    const bytes = Buffer.from(text, 'latin1');
    const expected = readFrames(bytes);
    for (const size of [bytes.length, 1, 3]) {
      const boundary = new FrameBoundary();
      for (let at = 0; at < bytes.length; at += size) {
        const part = bytes.subarray(at, at + size);
        hold(boundary.advance(part) === part.length, 'did not take all bytes');
      }
      hold(
        boundary.isReached === expected.isReached,
        `parts of ${size}: the boundary is elsewhere`,
      );
      hold(boundary.hasClosed === expected.hasClosed, `parts of ${size}: a close frame was missed`);
    }
  },
};

// Rules that are yet to come have a place here already.
const sharedRules = { publicUrl, csrfHeader: 'x-csrf', ourCookies: ours };
const requestRules = { ...sharedRules, set: [], remove: [], pass: [] };
const requestHeaders = new RequestHeaders(requestRules);

/** What the header of this name says to an upstream, as it reads it: any case, `_` for `-`. */
function said(headers: HeaderList, wanted: string): string[] {
  return headers.flatMap((value, index) => {
    const name = String(headers[index - 1])
      .toLowerCase()
      .replaceAll('_', '-');
    return index % 2 === 1 && name === wanted ? [value].flat() : [];
  });
}

const forwarding: Target = {
  name: 'forwarded',
  words: [
    'for=',
    'by=',
    'host=',
    'proto=https',
    '"[::1]"',
    'x-forwarded-for',
    'forwarded',
    ': ',
    '\n',
    '_',
    'connection: ',
  ],
  check(text) {
    const lines = text.split('\n').filter((line) => line.includes(': '));
    const pairs = lines.map(
      (line) => [line.split(': ', 1)[0] ?? '', line.slice(line.indexOf(': ') + 2)] as const,
    );
    const incoming: IncomingHttpHeaders = Object.fromEntries(
      pairs.map(([name, value]) => [name.toLowerCase(), value]),
    );
    const facts = { clientAddress: '192.0.2.1', requestId: 'id', set: [] };
    const untrusted = requestHeaders.of(incoming, { ...facts, isTrustedPeer: false });
    hold(
      said(untrusted, 'x-forwarded-for').join() === '192.0.2.1',
      'the client chose its own address',
    );
    hold(
      said(untrusted, 'x-forwarded-host').join() === 'app.example.test',
      'the client chose the host',
    );
    hold(said(untrusted, 'x-forwarded-proto').join() === 'https', 'the client chose the scheme');
    hold(said(untrusted, 'forwarded').length === 0, 'Forwarded of an untrusted client passed');
    hold(
      !said(untrusted, 'cookie')
        .flatMap((value) => value.split(';'))
        .some(isOurs),
      'a cookie of ours passed',
    );
    const trusted = requestHeaders.of(incoming, { ...facts, isTrustedPeer: true });
    hold(said(trusted, 'x-forwarded-for').join().endsWith('192.0.2.1'), 'the chain lost its end');
    hold(said(trusted, 'x-forwarded-host').join() === 'app.example.test', 'another host is named');
  },
};

const peers = new TrustedPeers(['10.0.0.0/8', '::1', 'fd00::/8']);

const addresses: Target = {
  name: 'addresses',
  words: ['10.0.0.1', '::ffff:', '::1', 'fd00::1', '192.0.2.1', '%eth0', '/8'],
  most: 1024,
  check(text) {
    const plain = plainAddress(text);
    hold(plainAddress(plain) === plain || plain.startsWith('::ffff:'), 'is not its own plain form');
    if (!peers.includes(plain)) return;
    hold(/^(10\.|::1$|0*:|fd)/i.test(plain) || plain.includes(':'), `${plain} was believed`);
  },
};

const claimHeaders: Target = {
  name: 'claim-headers',
  words: ['%', ' ', '  ', '\r\n', 'é', '\u{1f600}', '\ud800', '${claims.sub}', ','],
  most: 60 * 1024,
  check(text) {
    const [name, value] = headersFrom({ 'X-User': '${claims.sub}' }, { sub: text });
    if (name === undefined) return;
    const header = String(value);
    hold(
      /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(header),
      `made ${JSON.stringify(header)}`,
    );
    hold(decodeURIComponent(header) === text.toWellFormed(), 'does not say what the claim says');
  },
};

const problems: Target = {
  name: 'problems',
  words: ['<script>', '"', "'", '&', '</main>', 'text/html', '*/*', 'navigate', '\n'],
  check(text) {
    const accept = isNavigation({ method: 'GET', headers: { accept: text } });
    hold(!accept || text.includes('text/html'), 'a script got a page');
    const link = { href: text, label: text };
    const page = renderErrorPage({
      status: 400,
      code: text,
      sentence: text,
      requestId: text,
      link,
    });
    const empty = { href: '', label: '' };
    const plain = renderErrorPage({
      status: 400,
      code: '',
      sentence: '',
      requestId: '',
      link: empty,
    });
    for (const character of '<>"')
      hold(
        page.split(character).length === plain.split(character).length,
        `${character} came through`,
      );
  },
};

const challenges: Target = {
  name: 'challenges',
  words: [
    'DPoP ',
    'Bearer ',
    'error="use_dpop_nonce"',
    'error="insufficient_user_authentication"',
    'acr_values="',
    'max_age=1',
    '\\"',
    ', ',
  ],
  check(challenge) {
    const refusal = { 'www-authenticate': challenge };
    hold(!requiresNonce(refusal) || /use_dpop_nonce/i.test(challenge), 'saw a nonce');
    const place = { basePath: '/bff', provider: 'corp', defaultProvider: 'corp' };
    const error = stepUpReader(place, false)(refusal);
    if (!error) return;
    hold(error.code === 'step_up_required', `became ${error.code}`);
    const { loginUrl = '' } = error.extensions;
    hold(/^\/bff\/[\x21-\x7e]*$/.test(loginUrl), `leads to ${loginUrl}`);
  },
};

const logoutTokens: Target = {
  name: 'logout-tokens',
  words: ['eyJhbGciOiJSUzI1NiJ9', '.', 'eyJpc3MiOiJhIn0', '-', '_', '=', 'eyJpc3MiOm51bGx9'],
  most: 20 * 1024,
  check(encoded) {
    const issuer = resultOf(() => partiesOf(encoded).issuer, 'invalid_logout_token');
    if (issuer === undefined) return;
    hold(issuer !== '', 'an empty issuer');
    hold(encoded.length <= 16 * 1024, 'read a token that is too long');
  },
};

const bearerIssuer = { issuer: 'https://login.example.test', audience: 'app', timeout: 1000 };
const introspection = {
  endpoint: 'https://login.example.test/introspect',
  clientId: 'bff',
  clientSecret: 'secret',
  allowMissingAudience: false,
};
const validClaims = { iss: bearerIssuer.issuer, aud: 'app', sub: 'alice', iat: 100, exp: 400 };

/** The claims of lines such as `cnf={}`, with JSON after the name, added to valid ones. */
function claimsOf(text: string): Record<string, unknown> {
  const lines = text.split('\n', 20).flatMap((line) => {
    const [name = '', ...rest] = line.split('=');
    try {
      return [[name, JSON.parse(rest.join('=')) as unknown] as const];
    } catch {
      return [];
    }
  });
  return { ...validClaims, active: true, ...Object.fromEntries(lines) };
}

const accessTokens: Target = {
  name: 'access-tokens',
  words: [
    'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9',
    '.',
    ...'iss= aud= exp= nbf= iat= cnf= scope= scp= sub= active='.split(' '),
    ...'"app" ["app"] {"jkt":" "} null 500 1e300 true'.split(' '),
    'a'.repeat(43),
    '\n',
  ],
  check(text) {
    const jwt = decodeJwt(text);
    hold(!jwt || text.split('.').length === 3, 'read something else than three parts as a JWT');
    if (jwt) resultOf(() => checkHeader(jwt.header, ['ES256']), 'invalid_token');
    const now = 200_000;
    const claims = claimsOf(text);
    const opaque = { ...bearerIssuer, introspection };
    for (const found of [
      resultOf(() => checkClaims(claims, bearerIssuer, now), 'invalid_token'),
      resultOf(() => checkIntrospection(claims, opaque, now), 'invalid_token'),
    ]) {
      if (!found) continue;
      hold([claims['aud']].flat().includes('app'), 'accepted another audience');
      hold(found.issuer === bearerIssuer.issuer, 'accepted another issuer');
      hold(found.expiresAt > now, 'accepted a token that has ended');
      hold(!claims['cnf'] || found.keyThumbprint !== undefined, 'lost the binding to a key');
      hold(
        found.scopes.every((scope) => scope !== '' && !scope.includes(' ')) ||
          Array.isArray(claims['scope'] ?? claims['scp']),
        'split the scopes wrongly',
      );
    }
  },
};

/** All parsers of external input. */
export const targets: readonly Target[] = [
  cookies,
  setCookies,
  paths,
  returnUrls,
  queries,
  forms,
  frames,
  forwarding,
  addresses,
  claimHeaders,
  problems,
  challenges,
  logoutTokens,
  accessTokens,
];
