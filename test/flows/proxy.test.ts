import { respondWith, hang, redirectTo } from '../support/upstream/responses.ts';
import { startAuthorizationServer } from '../support/authorization-server/authorization-server.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { testClock } from '../support/time/clock.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { echo } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

let bff: TestBff;
let alice: TestBrowser;
let rob: TestBrowser;
let signedOut: TestBrowser;

beforeAll(async () => {
  bff = await startBff({
    session: { cookieName: 'shop' },
    routes: (usual, { upstream: { url } }) => [
      usual,
      { path: '/optional', upstream: url, token: 'optional' },
      { path: '/public', upstream: url, token: 'none' },
      {
        path: '/passing',
        upstream: url,
        token: 'none',
        headers: { set: { 'X-Service': 'shop' }, remove: ['x-user'], pass: ['Authorization'] },
      },
      { path: '/unguarded', upstream: url, csrf: false },
      { path: '/api/stripped', upstream: `${url}/v1`, stripPrefix: true },
    ],
  });
  alice = await bff.signedIn('alice');
  rob = await bff.signedIn('bob');
  signedOut = bff.browser();
});

afterAll(() => bff.close());

beforeEach(() => {
  bff.upstream.requests.length = 0;
  bff.upstream.handler = echo();
});

const untouched = () => expect(bff.upstream.requests).toEqual([]);

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(response.headers.get('cache-control')).toBe('no-store');
  return { status: response.status, ...((await response.json()) as object) };
}

describe('a call of a signed-in user', () => {
  it('carries the access token, once, as the authorization server issued it', async () => {
    const response = await alice.fetch('/api/orders?a=%2e%2e&b=+&c=;&d');
    expect(response.status).toBe(200);
    const { last } = bff.upstream;
    expect(last.url).toBe('/api/orders?a=%2e%2e&b=+&c=;&d');
    const [authorization = '', ...others] = last.headerValues('authorization');
    expect(others).toEqual([]);
    expect(authorization).toMatch(/^Bearer \S+$/);
    expect(await bff.authorizationServer.subjectOf(authorization.slice(7))).toBe('alice');
  });

  it('carries neither our cookies nor our CSRF header, but those of the application', async () => {
    const headers = { cookie: `${alice.cookieHeader('/')}; theme=dark`, 'x-mine': 'yes' };
    await alice.fetch('/api/orders', { headers });
    const { headers: seen } = bff.upstream.last;
    expect(seen.cookie).toBe('theme=dark');
    expect(seen).toMatchObject({ 'x-mine': 'yes', accept: '*/*' });
    expect(seen).not.toHaveProperty('x-csrf');
  });

  it('says where it comes from in our words alone', async () => {
    const forged = {
      authorization: 'Bearer evil',
      forwarded: 'for=1.1.1.1',
      'x-forwarded-for': '1.1.1.1',
      x_forwarded_host: 'evil.test',
      'x-request-id': 'evil',
      connection: 'authorization, x-forwarded-for',
    };
    const response = await alice.fetch('/api/orders', { headers: forged });
    const { headers, last } = { ...bff.upstream.last, last: bff.upstream.last };
    expect(headers).toMatchObject({
      host: new URL(bff.upstream.url).host,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': new URL(bff.url).host,
      'x-forwarded-proto': 'http',
      'x-request-id': response.headers.get('x-request-id'),
      traceparent: expect.stringMatching(/^00-/),
    });
    expect(last.rawHeaders.join('\n')).not.toMatch(/evil|1\.1\.1\.1/);
    expect(last.headerValues('authorization')).toHaveLength(1);
  });

  it('has its longest prefix decide, and loses it where the operator wants that', async () => {
    await alice.fetch('/api/stripped/orders?x');
    expect(bff.upstream.last.url).toBe('/v1/orders?x');
    await alice.fetch('/%61pi/%73tripped/orders');
    expect(bff.upstream.last.url).toBe('/v1/orders');
    await alice.fetch('/api/strippedx');
    expect(bff.upstream.last.url).toBe('/api/strippedx');
  });

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'keeps its method: %s',
    async (method) => {
      expect((await alice.fetch('/api/x', { method })).status).toBe(200);
      expect(bff.upstream.last.method).toBe(method);
    },
  );

  it('is refused as TRACE, which would show the token', async () => {
    for (const path of ['/api/x', '/public/x']) {
      const response = await alice.fetch(path, { method: 'TRACE' });
      expect(await problemOf(response)).toMatchObject({ status: 405, code: 'method_not_allowed' });
      expect(response.headers.get('allow')).toContain('GET');
    }
    untouched();
  });

  it('may get a redirect, which the browser receives and the BFF does not follow', async () => {
    for (const location of ['/elsewhere', 'http://169.254.169.254/', `${bff.upstream.url}/x`]) {
      for (const status of [301, 302, 303, 307, 308]) {
        bff.upstream.handler = redirectTo(location, status);
        bff.upstream.requests.length = 0;
        const response = await alice.fetch('/api/x', { redirect: 'manual' });
        expect(response.status).toBe(status);
        expect(response.headers.get('location')).toBe(location);
        expect(bff.upstream.requests).toHaveLength(1);
      }
    }
  });

  it('may get cookies, but not those of the BFF', async () => {
    const cookies = ['theme=dark; Path=/', 'shop=evil; Path=/', 'SHOP-LOGIN=evil', '=shop=evil'];
    bff.upstream.handler = respondWith(200, 'ok', { 'set-cookie': cookies });
    const response = await alice.fetch('/api/x');
    expect(response.headers.getSetCookie()).toEqual(['theme=dark; Path=/']);
    expect((await alice.fetch('/bff/user')).status).toBe(200);
  });

  it('is not cached unless the upstream has a rule as strict', async () => {
    const rules = [
      [undefined, 'no-store'],
      ['public, max-age=600', 'no-store'],
      ['private, max-age=60', 'private, max-age=60'],
      ['no-store', 'no-store'],
    ] as const;
    for (const [rule, expected] of rules) {
      bff.upstream.handler = respondWith(200, 'ok', rule ? { 'cache-control': rule } : {});
      for (const path of ['/api/me.css', '/optional/x']) {
        expect((await alice.fetch(path)).headers.get('cache-control')).toBe(expected);
      }
      const everybodys = await alice.fetch('/public/x');
      expect(everybodys.headers.get('cache-control')).toBe(rule ?? null);
    }
  });

  it('hears of no server software', async () => {
    const headers = { server: 'nginx/1.2.3', 'x-powered-by': 'PHP/5', 'x-other': 'kept' };
    bff.upstream.handler = respondWith(200, 'ok', headers);
    const response = await alice.fetch('/api/x');
    expect(response.headers.get('x-other')).toBe('kept');
    expect([response.headers.get('server'), response.headers.get('x-powered-by')]).toEqual([
      null,
      null,
    ]);
  });

  it('passes on the responses of the upstream as they are, errors too', async () => {
    for (const status of [200, 201, 206, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503]) {
      bff.upstream.handler = respondWith(status, `body ${status}`, {
        'www-authenticate': 'Bearer',
      });
      const response = await alice.fetch('/api/x');
      expect([response.status, await response.text()]).toEqual([status, `body ${status}`]);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
    }
    expect((await alice.fetch('/bff/user')).status).toBe(200);
  });
});

describe('a call of a signed-out user', () => {
  it.each([
    ['without a cookie', () => ''],
    ['with a cookie that is nonsense', () => 'shop=nonsense'],
    ['with a forged cookie', () => 'shop=s%3Aforged.signature'],
    [
      'with the cookies of two sessions',
      () => [alice, rob].map((one) => one.cookieHeader('/')).join('; '),
    ],
    [
      'with a session cookie of another name',
      () => alice.cookieHeader('/').replace('shop=', 'bff='),
    ],
  ])(
    '%s is 401 with a login URL, never a redirect, and reaches no upstream',
    async (_how, cookie) => {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const response = await signedOut.fetch('/api/x', {
          method,
          headers: { cookie: cookie() },
          redirect: 'manual',
        });
        expect(await problemOf(response)).toEqual({
          status: 401,
          type: 'urn:pixie-bff:not_signed_in',
          title: expect.any(String),
          code: 'not_signed_in',
          requestId: response.headers.get('x-request-id'),
          loginUrl: '/bff/login',
        });
        expect(response.headers.get('location')).toBeNull();
      }
      untouched();
    },
  );

  it('is a page, not a redirect, for a navigation that carries the header', async () => {
    const page = await signedOut.navigate('/api/x', {
      headers: { 'x-csrf': '1', 'sec-fetch-site': 'same-origin' },
      redirect: 'manual',
    });
    expect(page.status).toBe(401);
    expect(page.body).toContain('href="/bff/login"');
    untouched();
  });

  it('goes without a token where the route does not insist on one', async () => {
    for (const path of ['/optional/x', '/public/x']) {
      const response = await signedOut.fetch(path, { headers: { authorization: 'Bearer evil' } });
      expect(response.status).toBe(200);
      expect(bff.upstream.last.headerValues('authorization')).toEqual([]);
    }
  });
});

describe('the token of a route', () => {
  it('is sent where it is optional and the user is signed in', async () => {
    await alice.fetch('/optional/x');
    expect(bff.upstream.last.headerValues('authorization')).toEqual([
      expect.stringMatching(/^Bearer \S+$/),
    ]);
  });

  it('is never sent where the route has none, nor is the cookie', async () => {
    await alice.fetch('/public/x', { csrf: false, headers: { 'sec-fetch-site': 'cross-site' } });
    expect(bff.upstream.last.headerValues('authorization')).toEqual([]);
    expect(bff.upstream.last.headers.cookie ?? '').not.toContain('shop');
  });

  it('may be the client’s own on a route without one, if the operator passes it on', async () => {
    const headers = { authorization: 'Basic eA==', x_user: 'admin', 'x-user': 'admin' };
    await signedOut.fetch('/passing/x', { headers });
    const { last } = bff.upstream;
    expect(last.headers).toMatchObject({ authorization: 'Basic eA==', 'x-service': 'shop' });
    expect(last.rawHeaders).not.toContain('admin');
  });
});

describe('a forged call', () => {
  const forgeries: readonly [string, Record<string, string | null>][] = [
    ['without the header', { 'x-csrf': null }],
    ['with an empty header', { 'x-csrf': '' }],
    ['with another value', { 'x-csrf': '2' }],
    ['with a longer value', { 'x-csrf': '11' }],
    ['with the value twice in one line', { 'x-csrf': '1, 1' }],
    ['with an underscore', { 'x-csrf': null, x_csrf: '1' }],
    ['from a sibling site', { 'sec-fetch-site': 'same-site' }],
    ['from another site', { 'sec-fetch-site': 'cross-site' }],
    ['from nowhere', { 'sec-fetch-site': 'none' }],
    ['with an empty Sec-Fetch-Site', { 'sec-fetch-site': '' }],
    ['with a foreign origin', { origin: 'https://evil.test' }],
    ['with the origin null', { origin: 'null' }],
    ['with our origin in another scheme', { origin: 'https://localhost' }],
    ['with our host and another port', { origin: 'http://localhost:1' }],
    ['with a preflight', { 'access-control-request-method': 'POST', 'x-csrf': null }],
  ];
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

  it.each(forgeries)('%s is 403 for all users and every method', async (_how, headers) => {
    for (const browser of [alice, signedOut]) {
      for (const method of methods) {
        const response = await browser.fetch('/api/x', { method, headers });
        expect(response.status).toBe(403);
        expect(await response.text()).toContain(method === 'HEAD' ? '' : '"code":"csrf"');
        expect(response.headers.get('access-control-allow-origin')).toBeNull();
      }
    }
    untouched();
  });

  it('with the header repeated is 403', async () => {
    const lines = ['GET /api/x HTTP/1.1', 'Host: x', `Cookie: ${alice.cookieHeader('/')}`];
    const request = [...lines, 'X-CSRF: 1', 'X-CSRF: 1', 'Connection: close', '', ''].join('\r\n');
    expect((await rawRequest(bff.port, request)).statuses).toEqual([403]);
    untouched();
  });

  it('is a preflight even with the header', async () => {
    const headers = { 'access-control-request-method': 'GET', 'x-csrf': '1' };
    for (const path of ['/api/x', '/optional/x', '/unguarded/x']) {
      const response = await alice.fetch(path, { method: 'OPTIONS', headers });
      expect(response.status).toBe(403);
    }
    untouched();
  });

  it('is one where the route has no token, but is accepted', async () => {
    for (const [, headers] of forgeries) {
      const response = await alice.fetch('/public/x', { method: 'OPTIONS', headers });
      expect(response.status).toBe(200);
    }
  });

  it('is let through where the operator switched the guard off, and only there', async () => {
    const response = await alice.fetch('/unguarded/x', { headers: { 'x-csrf': null } });
    expect(response.status).toBe(200);
    expect(bff.upstream.last.headerValues('authorization')).toHaveLength(1);
  });
});

describe('the header against forgery', () => {
  it('has the name and value the operator gave it', async () => {
    await using own = await startBff({
      store: 'memory',
      csrf: { header: 'X-My-Guard', value: 'on' },
    });
    const bob = await own.signedIn('bob');
    expect((await bob.fetch('/api/x')).status).toBe(403);
    const response = await bob.fetch('/api/x', { headers: { 'x-my-guard': 'on' } });
    expect(response.status).toBe(200);
    expect(own.upstream.last.headers).not.toHaveProperty('x-my-guard');
  });
});

describe('a session that has no token to give', () => {
  it('stays when its access token has expired and cannot be refreshed', async () => {
    const clock = testClock();
    await using own = await startBff({
      store: 'memory',
      clock: clock.now,
      authorizationServer: { accessTokenSeconds: 60, refreshTokens: false },
      provider: { scopes: ['openid', 'profile', 'email'] },
      routes: (usual, { upstream }) => [
        usual,
        { path: '/optional', upstream: upstream.url, token: 'optional' },
      ],
    });
    const bob = await own.signedIn('bob');
    expect((await bob.fetch('/api/x')).status).toBe(200);
    clock.advance(61_000);
    own.upstream.requests.length = 0;
    const response = await bob.fetch('/api/x');
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'not_signed_in' });
    expect(own.upstream.requests).toEqual([]);
    expect((await bob.fetch('/bff/user')).status).toBe(200);
    await bob.fetch('/optional/x');
    expect(own.upstream.last.headerValues('authorization')).toEqual([]);
  });

  it('does not lend it to a route of another provider, and says how to connect that one', async () => {
    const other = await startAuthorizationServer();
    try {
      await using own = await startBff({
        store: 'memory',
        providers: (usual) => [
          usual,
          {
            id: 'partner',
            issuer: other.issuer,
            clientId: other.clientId,
            clientSecret: other.clientSecret,
          },
        ],
        routes: (usual, { upstream: { url } }) => [
          usual,
          { path: '/partner', upstream: url, provider: 'partner' },
          { path: '/maybe', upstream: url, provider: 'partner', token: 'optional' },
        ],
      });
      const bob = await own.signedIn('bob');
      const response = await bob.fetch('/partner/x');
      expect(await problemOf(response)).toMatchObject({
        status: 401,
        code: 'not_signed_in',
        loginUrl: '/bff/connect/partner',
      });
      expect(await problemOf(await own.browser().fetch('/partner/x'))).toMatchObject({
        status: 401,
        code: 'not_signed_in',
        loginUrl: '/bff/login?provider=partner',
      });
      expect(own.upstream.requests).toEqual([]);
      await bob.fetch('/maybe/x');
      expect(own.upstream.last.headerValues('authorization')).toEqual([]);
      expect((await bob.fetch('/api/x')).status).toBe(200);
    } finally {
      await other.close();
    }
  });
});

describe('what a load balancer says of the client', () => {
  it.each([
    ['is believed from a trusted one', ['127.0.0.0/8'], '198.51.100.1, 127.0.0.1'],
    ['is not believed from anybody else', ['10.0.0.0/8'], '127.0.0.1'],
  ])('%s', async (_what, trustedProxies, expected) => {
    await using own = await startBff({
      store: 'memory',
      server: { trustedProxies },
      route: { token: 'none' },
    });
    const headers = { 'x-forwarded-for': '198.51.100.1', 'x-forwarded-host': 'evil.test' };
    await own.browser().fetch('/api/x', { headers });
    expect(own.upstream.last.headers).toMatchObject({
      'x-forwarded-for': expected,
      'x-forwarded-host': new URL(own.url).host,
    });
  });
});

describe('over https', () => {
  let secure: TestBff;
  let bob: TestBrowser;

  beforeAll(async () => {
    secure = await startBff({ https: true });
    bob = await secure.signedIn('bob');
  });

  afterAll(() => secure.close());

  it('the cookies have their strict names and stay here', async () => {
    expect(bob.cookies().map(({ name }) => name)).toContain('__Host-Http-bff');
    const headers = { cookie: `${bob.cookieHeader('/')}; theme=dark` };
    expect((await bob.fetch('/api/x', { headers })).status).toBe(200);
    expect(secure.upstream.last.headers).toMatchObject({
      cookie: 'theme=dark',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': new URL(secure.url).host,
    });
    expect(secure.upstream.last.headerValues('authorization')).toHaveLength(1);
  });

  it('the upstream cannot set them, in any spelling', async () => {
    const evil = ['__Host-Http-bff=evil', '__HOST-Http-bff=evil', '__Host-Http-bff-login=evil'];
    secure.upstream.handler = respondWith(200, 'ok', { 'set-cookie': [...evil, 'bff=theirs'] });
    const response = await bob.fetch('/api/x');
    expect(response.headers.getSetCookie()).toEqual(['bff=theirs']);
    secure.upstream.handler = echo();
  });

  it.each([
    ['signed out', '/api/x', { cookie: '' }, 401],
    ['forged', '/api/x', { 'x-csrf': null }, 403],
    ['from the same host without TLS', '/api/x', { origin: 'http://localhost' }, 403],
    ['with an odd path', '/api/..%2fadmin', {}, 400],
  ])('a call that is %s is refused', async (_how, path, headers, status) => {
    secure.upstream.requests.length = 0;
    expect((await bob.fetch(path, { headers })).status).toBe(status);
    expect(secure.upstream.requests).toEqual([]);
  });
});

describe('a browser that goes away', () => {
  it('ends the work of the upstream, and is no failure of ours', async () => {
    bff.upstream.handler = hang();
    const leaving = new AbortController();
    const call = alice.fetch('/api/slow', { signal: leaving.signal });
    call.catch(() => undefined);
    await waitFor(() => expect(bff.upstream.requests).toHaveLength(1));
    const lines = bff.logs.lines.length;
    leaving.abort();
    await expect(call).rejects.toThrow(/abort/i);
    await waitFor(async () => expect(await bff.upstream.last.ended).toBeDefined());
    await waitFor(() => expect(bff.logs.lines.length).toBeGreaterThan(lines));
    expect(bff.logs.text).not.toContain('upstream_unreachable');
  });
});
