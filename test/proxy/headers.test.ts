import {
  type UpstreamResponseHeaderRules,
  UpstreamResponseHeaders,
} from '../../src/proxy/headers/response-headers.ts';
import {
  type RequestFacts,
  type RequestHeaderRules,
  RequestHeaders,
} from '../../src/proxy/headers/request-headers.ts';
import { byName } from '../support/network/header-list.ts';

/**
 * The rules of a route and what is known of a request, in one. A header without a value is one
 * whose claim is missing.
 */
type Given = Omit<RequestHeaderRules & RequestFacts, 'set'> & {
  authorization?: string;
  set: Record<string, string | undefined>;
};

const usual: Given = {
  authorization: 'Bearer our-token',
  csrfHeader: 'X-CSRF',
  ourCookies: ['__Host-Http-bff', '__Host-Http-bff-login'],
  set: {},
  remove: [],
  pass: [],
  clientAddress: '203.0.113.7',
  publicUrl: 'https://app.example.com',
  requestId: 'request-1',
  isTrustedPeer: false,
};

function sent(incoming: Record<string, string>, rules: Partial<Given> = {}) {
  const given = { ...usual, ...rules };
  const headers = new RequestHeaders({ ...given, set: Object.keys(given.set) });
  const filled = Object.entries(given.set).filter(([, value]) => value !== undefined);
  const facts = { ...given, set: filled.flat() as string[] };
  return byName(headers.of(incoming, facts, given.authorization));
}

function received(
  upstream: Record<string, string | string[]>,
  rules: Partial<UpstreamResponseHeaderRules> = {},
) {
  const { ourCookies } = usual;
  const headers = new UpstreamResponseHeaders({
    defaults: {},
    ourCookies,
    isPersonal: true,
    isFrontend: false,
    ...rules,
  });
  const list = headers.of(upstream as never, usual.requestId);
  const { 'x-request-id': _, ...theirs } = byName(list);
  return theirs;
}

const forwarding = {
  forwarded: 'for=1.1.1.1;host=evil.test',
  'x-forwarded-for': '1.1.1.1',
  'x-forwarded-host': 'evil.test',
  'x-forwarded-proto': 'http',
  'x-forwarded-port': '1',
  'x-forwarded-prefix': '/evil',
  'x-forwarded-uri': '/admin',
  'x-forwarded-user': 'admin',
  'x-forwarded-email': 'admin@example.com',
  'x-forwarded-groups': 'admins',
  'x-forwarded-access-token': 'evil',
  'x-forwarded-client-cert': 'evil',
  'x-forwarded-method': 'DELETE',
  'x-forwarded-server': 'evil',
  'x-forwarded': 'for=1.1.1.1',
  'x-real-ip': '1.1.1.1',
  'x-original-url': '/admin',
  'x-original-uri': '/admin',
  'x-original-host': 'evil.test',
  'x-original-method': 'DELETE',
  'x-original-forwarded-for': '1.1.1.1',
  'x-rewrite-url': '/admin',
  'x-http-method-override': 'DELETE',
  'x-http-method': 'DELETE',
  'x-method-override': 'DELETE',
  'x-client-ip': '1.1.1.1',
  'client-ip': '1.1.1.1',
  'true-client-ip': '1.1.1.1',
  'x-cluster-client-ip': '1.1.1.1',
  'fastly-client-ip': '1.1.1.1',
  'cf-connecting-ip': '1.1.1.1',
  'cf-ipcountry': 'XX',
  'x-client-cert': 'evil',
  'x-client-cert-chain': 'evil',
  'x-ssl-client-cert': 'evil',
  'x-ssl-client-verify': 'SUCCESS',
  'x-ssl-client-s-dn': 'CN=admin',
  'x-request-id': 'evil',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'evil=1',
};

describe('an upstream receives', () => {
  it.each([
    ['accept', 'application/json'],
    ['accept-encoding', 'gzip'],
    ['accept-language', 'de'],
    ['content-type', 'application/json'],
    ['content-length', '12'],
    ['user-agent', 'Browser/1.0'],
    ['if-none-match', '"x"'],
    ['range', 'bytes=0-1'],
    ['origin', 'https://app.example.com'],
    ['sec-fetch-site', 'same-origin'],
    ['x-user_name', 'of the application'],
    ['x-my-forwarded-for', 'of the application'],
    ['x-authorization', 'of the application'],
    ['cfx', 'of the application'],
  ])('%s as the browser sent it', (name, value) => {
    expect(sent({ [name]: value })).toMatchObject({ [name]: value });
  });

  it('the token and forwarding headers that we set, and nothing else, for a bare request', () => {
    expect(sent({})).toEqual({
      authorization: 'Bearer our-token',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'app.example.com',
      'x-forwarded-proto': 'https',
      'x-request-id': 'request-1',
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    });
  });

  it.each([
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
    'expect',
    'dpop',
    'x-access-token',
    'x-csrf',
    'proxy_authorization',
    'transfer_encoding',
    'content_length',
    'keep_alive',
    'x_access_token',
    'x_csrf',
  ])('no %s', (name) => {
    expect(sent({ [name]: 'evil' })).not.toHaveProperty(name);
  });

  it('no CSRF header of another name either', () => {
    expect(sent({ 'x-my-guard': '1' }, { csrfHeader: 'X-My-Guard' })).not.toHaveProperty(
      'x-my-guard',
    );
  });

  it('neither the host nor the token of the client, for the host is the server’s', () => {
    const headers = sent({ host: 'evil.test', authorization: 'Bearer evil' });
    expect(headers).not.toHaveProperty('host');
    expect(headers).toMatchObject({
      authorization: 'Bearer our-token',
    });
    expect(sent({ authorization: 'Bearer evil' }, { authorization: undefined })).not.toHaveProperty(
      'authorization',
    );
  });
});

describe('what a client says about itself', () => {
  const names = Object.keys(forwarding);

  it.each(names)('in %s does not reach the upstream', (name) => {
    const value = forwarding[name as keyof typeof forwarding];
    expect(Object.values(sent({ [name]: value }))).not.toContain(value);
  });

  it.each(names.filter((name) => name.includes('-')))(
    'in %s, spelt with underscores, does not reach the upstream from any client',
    (name) => {
      const spellings = [name.replaceAll('-', '_'), name.replace('-', '_')];
      for (const isTrustedPeer of [false, true]) {
        const incoming = Object.fromEntries(spellings.map((one) => [one, 'evil']));
        expect(Object.values(sent(incoming, { isTrustedPeer }))).not.toContain('evil');
      }
    },
  );

  it('is replaced by what we know', () => {
    expect(sent(forwarding)).toMatchObject({
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'app.example.com',
      'x-forwarded-proto': 'https',
      'x-request-id': 'request-1',
    });
    expect(Object.keys(sent(forwarding)).toSorted()).toEqual(Object.keys(sent({})).toSorted());
  });
});

/** Headers in which identity-aware gateways name the user. */
const identities = [
  'x-auth-request-user',
  'x-auth-request-access-token',
  'x-forwarded-user',
  'x-forwarded-email',
  'x-forwarded-groups',
  'x-forwarded-preferred-username',
  'x-forwarded-access-token',
  'remote-user',
  'remote-groups',
  'x-remote-user',
  'x-remote-group',
  'x-webauth-user',
  'x-ms-client-principal',
  'x-ms-client-principal-name',
  'x-ms-token-aad-access-token',
  'x-amzn-oidc-identity',
  'x-amzn-oidc-data',
  'x-goog-authenticated-user-email',
  'x-goog-iap-jwt-assertion',
  'tailscale-user-login',
  'x-consumer-username',
  'x-authenticated-userid',
  'x-credential-identifier',
  'wl-proxy-client-ip',
  'proxy',
  'x-client-cert',
  'x-client-certificate',
  'x-ssl-client-dn',
  'x-ssl-cipher',
  'ssl-client-s-dn',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
];

describe('an identity header of another gateway (oauth2-proxy, IAP, Kong …)', () => {
  it.each(identities)('never comes from outside: %s', (name) => {
    const spellings = [name, name.replaceAll('-', '_'), name.replace('-', '_')];
    const incoming = Object.fromEntries(spellings.map((spelled) => [spelled, 'admin']));
    for (const isTrustedPeer of [false, true])
      expect(Object.values(sent(incoming, { isTrustedPeer }))).not.toContain('admin');
  });

  it.each(identities)('passes where the operator says so, in that spelling: %s', (name) => {
    const odd = name.replaceAll('-', '_');
    const incoming = { ...(odd !== name && { [odd]: 'admin' }), [name]: 'alice' };
    const headers = sent(incoming, { pass: [name] });
    expect(headers[name]).toBe('alice');
    expect(Object.values(headers)).not.toContain('admin');
  });

  it.each(identities)('says what the operator sets, and nothing else: %s', (name) => {
    const incoming = { [name]: 'admin', [name.replaceAll('-', '_')]: 'admin' };
    const headers = sent(incoming, { set: { [name]: 'alice' }, pass: [name] });
    expect(headers[name]).toBe('alice');
    expect(Object.values(headers)).not.toContain('admin');
  });

  it.each(['x-goog-user-project', 'x-authentication', 'remotely', 'x-consumers', 'proxy-status'])(
    'is not taken for one that an application may use: %s',
    (name) => expect(sent({ [name]: 'x' })[name]).toBe('x'),
  );
});

describe('what a browser proves about its device', () => {
  it.each(['secure-session-response', 'sec-secure-session-id', 'secure-session-skipped'])(
    'is for us alone: %s',
    (name) => {
      const incoming = { [name]: 'proof', [name.replaceAll('-', '_')]: 'proof' };
      for (const isTrustedPeer of [false, true])
        expect(Object.values(sent(incoming, { isTrustedPeer, pass: [name] }))).not.toContain(
          'proof',
        );
    },
  );
});

describe('what a trusted proxy says about the client', () => {
  const trusted = { isTrustedPeer: true, clientAddress: '10.0.0.1' };
  const believed = new Set([
    'x-forwarded-for',
    'x-forwarded-port',
    'forwarded',
    'traceparent',
    'tracestate',
  ]);

  it.each(Object.keys(forwarding).filter((name) => !believed.has(name)))(
    'is not believed in %s',
    (name) => {
      const value = forwarding[name as keyof typeof forwarding];
      expect(Object.values(sent({ [name]: value }, trusted))).not.toContain(value);
    },
  );

  it('is kept, and its chain extended', () => {
    const headers = sent(
      {
        'x-forwarded-for': '198.51.100.1, 198.51.100.2',
        forwarded: 'for=198.51.100.1',
        'x-forwarded-port': '443',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
        tracestate: 'vendor=1',
      },
      trusted,
    );
    expect(headers).toMatchObject({
      'x-forwarded-for': '198.51.100.1, 198.51.100.2, 10.0.0.1',
      forwarded: 'for=198.51.100.1, for="10.0.0.1";host="app.example.com";proto=https',
      'x-forwarded-port': '443',
      tracestate: 'vendor=1',
    });
  });

  it('begins a chain where it sent none, and no Forwarded header', () => {
    const headers = sent({}, trusted);
    expect(headers['x-forwarded-for']).toBe('10.0.0.1');
    expect(headers).not.toHaveProperty('forwarded');
  });

  it('does not change our own address or request id', () => {
    const forged = { 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http' };
    expect(sent({ ...forged, 'x-request-id': 'evil' }, trusted)).toMatchObject({
      'x-forwarded-host': 'app.example.com',
      'x-forwarded-proto': 'https',
      'x-request-id': 'request-1',
    });
  });

  it('is extended by an IPv6 address in brackets (RFC 7239 §6.1)', () => {
    const headers = sent({ forwarded: 'for=_a' }, { ...trusted, clientAddress: '2001:db8::1' });
    expect(headers['forwarded']).toContain('for="[2001:db8::1]"');
    expect(headers['x-forwarded-for']).toBe('2001:db8::1');
  });

  it('never becomes a token', () => {
    expect(sent({ authorization: 'Bearer evil' }, trusted)['authorization']).toBe(
      'Bearer our-token',
    );
  });
});

describe('the trace', () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';

  it('of a trusted proxy is continued with a span of our own', () => {
    const traceparent = String(sent({ traceparent: parent }, { isTrustedPeer: true }).traceparent);
    expect(traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/);
    expect(traceparent).not.toBe(parent);
  });

  it.each([
    ['of a stranger', parent, false],
    ['that is nonsense', 'evil', true],
    ['of another version', parent.replace('00-', 'ff-'), true],
    ['with zeros for a trace', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, true],
    ['with zeros for a span', `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`, true],
  ])('%s is begun anew', (_what, traceparent, isTrustedPeer) => {
    const next = String(sent({ traceparent }, { isTrustedPeer }).traceparent);
    expect(next).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01$/);
    expect(next).not.toContain('0af7651916cd43dd8448eb211c80319c');
  });

  it.each([undefined, 'evil', `${parent}, ${parent}`])(
    'that does not go on after %j has no state of another',
    (traceparent) => {
      const incoming = { ...(traceparent && { traceparent }), tracestate: 'vendor=1' };
      expect(sent(incoming, { isTrustedPeer: true })).not.toHaveProperty('tracestate');
    },
  );

  it('is another one for every request', () => {
    expect(sent({}).traceparent).not.toBe(sent({}).traceparent);
  });
});

describe('headers named by Connection', () => {
  it.each([
    ['x-hop', 'x-hop', { 'x-hop': '1' }],
    ['close, X-Hop', 'x-hop', { 'x-hop': '1' }],
    ['  x-hop  ,,', 'x-hop', { 'x-hop': '1' }],
    ['x-hop', 'x_hop', { x_hop: '1' }],
    ['cookie', 'cookie', { cookie: 'theme=dark' }],
  ])('%j: %s is not sent on', (connection, name, headers) => {
    expect(sent({ connection, ...headers })).not.toHaveProperty(name);
  });

  it('cannot take away what we add (CVE-2025-48865)', () => {
    const connection =
      'authorization, host, x-forwarded-for, x-forwarded-host, x-forwarded-proto, x-request-id, traceparent, x-service';
    const headers = sent({ connection }, { set: { 'x-service': 'shop' } });
    expect(headers).toMatchObject({
      authorization: 'Bearer our-token',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'app.example.com',
      'x-forwarded-proto': 'https',
      'x-request-id': 'request-1',
      'x-service': 'shop',
    });
    expect(headers).toHaveProperty('traceparent');
    expect(headers).not.toHaveProperty('connection');
  });
});

describe('cookies', () => {
  it.each([
    ['theme=dark', 'theme=dark'],
    ['theme=dark; __Host-Http-bff=secret', 'theme=dark'],
    ['__Host-Http-bff=secret; theme=dark; __Host-Http-bff-login=secret', 'theme=dark'],
    ['__Host-Http-bff=secret; theme=dark; __Host-Http-bff=secret', 'theme=dark'],
    ['a=1;__Host-Http-bff=secret;b=2', 'a=1; b=2'],
    ['__Host-Http-bff="secret"; a=1', 'a=1'],
    ['__Host-Http-bff = secret; a=1', 'a=1'],
    ['"__Host-Http-bff"=secret; a=1', 'a=1'],
    ['$Version=1; __Host-Http-bff="secret"; $Path=/; a=1', '$Version=1; $Path=/; a=1'],
    ['__HOST-HTTP-BFF=secret; a=1', 'a=1'],
    ['__host-http-bff-LOGIN=secret; a=1', 'a=1'],
    ['\u00e2\u0080\u0080__Host-Http-bff=secret; a=1', 'a=1'],
    ['\u2000__Host-Http-bff=secret; a=1', 'a=1'],
    ['\u00a0__Host-Http-bff\u00a0=secret; a=1', 'a=1'],
    ['\t__Host-Http-bff\t=secret; a=1', 'a=1'],
    ['__Host-Http-bff; a=1', 'a=1'],
    ['a=__Host-Http-bff', 'a=__Host-Http-bff'],
    ['__Host-Http-bffx=theirs', '__Host-Http-bffx=theirs'],
    ['x__Host-Http-bff=theirs', 'x__Host-Http-bff=theirs'],
    ['bff=theirs', 'bff=theirs'],
    ['a="x; __Host-Http-bff=secret"', 'a="x'],
  ])('%j reaches the upstream as %j', (cookie, expected) => {
    expect(sent({ cookie })['cookie']).toBe(expected);
  });

  it.each(['__Host-Http-bff=secret', '__Host-Http-bff=a; __Host-Http-bff-login=b', ';;', ' '])(
    '%j leaves no Cookie header at all',
    (cookie) => {
      expect(sent({ cookie })).not.toHaveProperty('cookie');
    },
  );

  it('of ours stay here even where the operator passes Cookie on', () => {
    const pass = ['cookie'];
    expect(sent({ cookie: '__Host-Http-bff=secret' }, { pass })).not.toHaveProperty('cookie');
    expect(sent({ cookie: '__Host-Http-bff=secret; a=1' }, { pass })['cookie']).toBe('a=1');
  });
});

describe('headers.set', () => {
  it('adds a header', () => {
    expect(sent({}, { set: { 'x-service': 'shop' } })).toMatchObject({ 'x-service': 'shop' });
  });

  it.each(['x-request-id', 'traceparent'])('says %s in our place', (name) => {
    expect(
      sent({ [name]: 'evil' }, { set: { [name]: 'shop' }, isTrustedPeer: true }),
    ).toMatchObject({
      [name]: 'shop',
    });
  });

  it.each(['x-service', 'x_service'])("wins over the client's %s", (name) => {
    const headers = sent({ [name]: 'evil' }, { set: { 'x-service': 'shop' } });
    expect(headers['x-service']).toBe('shop');
    expect(Object.values(headers)).not.toContain('evil');
  });
});

describe('what we say ourselves', () => {
  it.each([
    ['x-forwarded-for', 'another spelling of it is set', { set: { x_forwarded_for: 'shop' } }],
    ['x-request-id', 'the claim for it is missing', { set: { 'x-request-id': undefined } }],
    ['x-request-id', 'it is the CSRF header', { csrfHeader: 'X-Request-Id' }],
    ['traceparent', 'it is the CSRF header', { csrfHeader: 'traceparent' }],
  ])('of %s is said also when %s', (name, _when, rules) => {
    expect(sent({ [name]: 'evil' }, rules)[name]).toMatch(/^(?!evil)./);
  });
});

describe('headers.remove', () => {
  it.each([
    ['x-user', 'x-user'],
    ['x-user', 'X-User'],
    ['x_user', 'x-user'],
    ['cookie', 'cookie'],
    ['traceparent', 'traceparent'],
    ['x-forwarded-for', 'x-forwarded-for'],
  ])('takes away %s (removed: %s)', (name, removed) => {
    const headers = sent({ [name]: 'a=1' }, { remove: [removed] });
    expect(headers).not.toHaveProperty(name);
  });

  it('removes Forwarded from every sender', () => {
    const rules = { remove: ['forwarded'], isTrustedPeer: true };
    expect(sent({ forwarded: 'for=_a' }, rules)).not.toHaveProperty('forwarded');
  });

  it('does not take away the token', () => {
    expect(sent({}, { remove: ['authorization', 'host'] })).toMatchObject({
      authorization: 'Bearer our-token',
    });
  });
});

describe('headers.pass', () => {
  it('lets the client authorize itself on a route without a token', () => {
    const rules = { authorization: undefined, pass: ['Authorization'] };
    expect(sent({ authorization: 'Basic eA==' }, rules)['authorization']).toBe('Basic eA==');
  });

  it('does not outdo the token of the route', () => {
    expect(sent({ authorization: 'Bearer evil' }, { pass: ['authorization'] })).toMatchObject({
      authorization: 'Bearer our-token',
    });
  });

  it.each(['x-http-method-override', 'x-access-token', 'x-forwarded-prefix', 'dpop'])(
    'passes %s, in exactly that spelling',
    (name) => {
      const odd = name.replaceAll('-', '_');
      const headers = sent(
        { [name]: 'yes', ...(odd !== name && { [odd]: 'no' }) },
        { pass: [name] },
      );
      expect(headers[name]).toBe('yes');
      expect(Object.values(headers)).not.toContain('no');
    },
  );

  it.each(['connection', 'transfer-encoding', 'expect', 'te', 'upgrade'])(
    'never passes %s',
    (name) => {
      expect(sent({ [name]: 'evil' }, { pass: [name] })).not.toHaveProperty(name);
    },
  );

  it('does not let clients choose what we say of them', () => {
    const pass = ['host', 'x-forwarded-for', 'x-forwarded-host', 'x-request-id'];
    expect(sent({ ...forwarding, host: 'evil.test' }, { pass })).toMatchObject({
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'app.example.com',
      'x-request-id': 'request-1',
    });
  });
});

describe('a browser receives', () => {
  it.each([
    ['content-type', 'text/html'],
    ['content-length', '12'],
    ['content-encoding', 'br'],
    ['etag', '"x"'],
    ['location', 'http://elsewhere.test/'],
    ['www-authenticate', 'Bearer error="invalid_token"'],
    ['content-security-policy', "default-src 'self'"],
    ['vary', 'Accept'],
    ['date', 'Mon, 01 Jan 2024 00:00:00 GMT'],
    ['link', '</a.css>; rel=preload'],
  ])('%s as the upstream sent it', (name, value) => {
    expect(received({ [name]: value })).toMatchObject({ [name]: value });
  });

  it.each([
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'server',
    'x-powered-by',
    'strict-transport-security',
    'alt-svc',
    'clear-site-data',
    'public-key-pins',
    'set-cookie2',
  ])('no %s', (name) => {
    expect(received({ [name]: 'x' })).not.toHaveProperty(name);
  });

  const ofTheOrigin = [
    'secure-session-registration',
    'secure-session-challenge',
    'sec-session-registration',
    'sec-session-challenge',
    'x-sendfile',
    'x-lighttpd-send-file',
    'nel',
    'report-to',
    'reporting-endpoints',
    'set-login',
    'accept-ch',
    'critical-ch',
    'origin-agent-cluster',
    'service-worker-allowed',
    'use-as-dictionary',
    'x-accel-redirect',
    'x-accel-buffering',
    'x-accel-expires',
    'authorization',
  ];
  const notEvenOfPages =
    /^(secure-session-|set-login$|x-accel-|authorization$|clear-site-data$|strict-transport)/;

  it.each([...ofTheOrigin, 'clear-site-data', 'strict-transport-security'])(
    'from an API no %s, which speaks for the whole origin',
    (name) => {
      for (const isPersonal of [true, false])
        expect(received({ [name]: 'x' }, { isPersonal })).not.toHaveProperty(name);
      const isOfPages = !notEvenOfPages.test(name);
      const isRelayed = name in received({ [name]: 'x' }, { isPersonal: false, isFrontend: true });
      expect(isRelayed).toBe(isOfPages);
    },
  );

  it('our own Origin-Agent-Cluster, not that of an API', () => {
    const ours = { 'origin-agent-cluster': '?1' };
    expect(received({ 'origin-agent-cluster': '?0' }, { defaults: ours })).toMatchObject(ours);
  });

  it.each(['allow-origin', 'allow-credentials', 'expose-headers', 'max-age'])(
    'Access-Control-%s from routes without a token alone',
    (rest) => {
      const headers = { [`access-control-${rest}`]: '*' };
      expect(received(headers)).not.toHaveProperty(`access-control-${rest}`);
      expect(received(headers, { isPersonal: false })).toEqual(headers);
    },
  );

  it('nothing that the upstream named in Connection', () => {
    const headers = { connection: ['close, X-Hop', 'x-other'], 'x-hop': '1', 'x-other': '2' };
    expect(received(headers)).toEqual({ 'cache-control': 'no-store' });
  });

  it('every cookie of the upstream but those with names of ours', () => {
    const theirs = ['theme=dark; Path=/', 'bff=theirs', '__Host-Http-bffx=1', 'x=__Host-Http-bff'];
    const ours = [
      '__Host-Http-bff=evil; Path=/',
      '__Host-Http-bff-login=evil',
      '__HOST-HTTP-BFF=evil',
      ' __Host-Http-bff=evil',
      '\t__Host-Http-bff =evil',
      '__Host-Http-bff=; Max-Age=0',
      '__Host-Http-bff',
      '=__Host-Http-bff=evil',
      ' = __Host-Http-bff=evil',
      '"__Host-Http-bff"=evil',
      '\u00e2\u0080\u0080__Host-Http-bff=evil',
    ];
    expect(received({ 'set-cookie': [...ours, ...theirs] })['set-cookie']).toEqual(theirs);
    expect(received({ 'set-cookie': ours })).not.toHaveProperty('set-cookie');
    expect(received({ 'set-cookie': 'theme=dark' })['set-cookie']).toEqual(['theme=dark']);
  });
});

describe('caching of a response that was made for one user', () => {
  it.each([
    [undefined, 'no-store'],
    ['public, max-age=60', 'no-store'],
    ['max-age=60', 'no-store'],
    ['no-cache', 'no-store'],
    ['s-maxage=60, must-revalidate', 'no-store'],
    ['private="set-cookie", max-age=60', 'no-store'],
    ['public, x="private"', 'no-store'],
    ['x-private', 'no-store'],
    ['not-private', 'no-store'],
    ['community="no-store", public', 'no-store'],
    ['private', 'private'],
    ['private, max-age=60', 'private, max-age=60'],
    ['max-age=60,PRIVATE', 'max-age=60,PRIVATE'],
    ['no-store', 'no-store'],
    ['no-cache, no-store, must-revalidate', 'no-cache, no-store, must-revalidate'],
  ])('%j becomes %j', (cacheControl, expected) => {
    const headers = received(cacheControl === undefined ? {} : { 'cache-control': cacheControl });
    expect(headers['cache-control']).toBe(expected);
  });

  it('is not allowed to shared caches by another name', () => {
    const names = ['cdn-cache-control', 'cloudflare-cdn-cache-control', 'surrogate-control'];
    for (const name of names) {
      expect(received({ [name]: 'max-age=60' })).toEqual({ 'cache-control': 'no-store' });
      expect(received({ [name]: '60' }, { isPersonal: false })).toEqual({ [name]: '60' });
    }
  });
});

it('leaves the caching of what is for all users to the upstream', () => {
  expect(received({}, { isPersonal: false })).toEqual({});
  const headers = { 'cache-control': 'public, max-age=60' };
  expect(received(headers, { isPersonal: false })).toEqual(headers);
});
