import { createClient } from 'redis';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { keysOf, timesToLive } from './steps.ts';

interface User {
  readonly sub: string;
  readonly session: {
    readonly id: string;
    readonly createdAt: string;
    readonly expiresAt: string;
    readonly idleExpiresAt: string;
    readonly expiresIn: number;
  };
  readonly logoutUrl: string;
}

describe('/bff/user', () => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff({ session: { idle: '10m', absolute: '1h' } });
  });
  afterAll(() => bff.close());

  it('shows who is signed in, in exactly the promised shape', async () => {
    const before = Date.now();
    const browser = await bff.signedIn();
    const response = await browser.fetch('/bff/user');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const user = (await response.json()) as User;
    expect(user).toEqual({
      sub: 'alice',
      provider: 'corp',
      claims: {
        sub: 'alice',
        name: 'Alice Adams',
        email: 'alice@example.com',
        email_verified: true,
      },
      session: {
        id: expect.stringMatching(/^[\w-]{43}$/),
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        expiresAt: expect.any(String),
        idleExpiresAt: expect.any(String),
        expiresIn: expect.any(Number),
        accessTokenExpiresAt: expect.any(String),
      },
      logoutUrl: `/bff/logout?sid=${user.session.id}`,
    });
    const { createdAt, expiresAt, idleExpiresAt, expiresIn } = user.session;
    expect(Date.parse(createdAt)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(3_600_000);
    expect(Date.parse(idleExpiresAt) - Date.now()).toBeGreaterThan(595_000);
    expect(expiresIn).toBeGreaterThan(595);
    expect(expiresIn).toBeLessThanOrEqual(600);
  });

  it('shows neither the cookie nor a token', async () => {
    const browser = await bff.signedIn();
    const text = await (await browser.fetch('/bff/user')).text();
    const secret = decodeURIComponent(
      browser.cookies().find(({ name }) => name === 'bff')?.value ?? '',
    ).slice(2, 45);
    expect(secret).toHaveLength(43);
    expect(text).not.toContain(secret);
    expect(text).not.toContain('eyJ');
    await browser.fetch('/api/x');
    expect(text).not.toContain(bff.upstream.last.headers.authorization?.replace('Bearer ', ''));
  });

  it('never sets a cookie and is never cached', async () => {
    const browser = await bff.signedIn();
    for (const client of [browser, bff.browser()]) {
      const response = await client.fetch('/bff/user');
      expect(response.headers.getSetCookie()).toEqual([]);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.has('etag')).toBe(false);
    }
  });

  it('is 401 with a login URL for a signed-out user', async () => {
    const response = await bff.browser().fetch('/bff/user');
    expect(response.status).toBe(401);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toEqual({
      type: 'urn:pixie-bff:not_signed_in',
      title: 'You are not signed in.',
      status: 401,
      code: 'not_signed_in',
      requestId: response.headers.get('x-request-id'),
      loginUrl: '/bff/login',
    });
  });

  it.each([
    ['a forged cookie', 'bff=s%3Aforged.signature'],
    ['a cookie without a signature', 'bff=abc'],
    ['a broken cookie', 'bff=%'],
    ['a huge cookie', `bff=${'x'.repeat(4000)}`],
  ])('is 401 with %s, which is left alone', async (_, cookie) => {
    const response = await bff.browser().fetch('/bff/user', { headers: { cookie } });
    expect(response.status).toBe(401);
    expect(response.headers.getSetCookie()).toEqual([]);
  });

  it('believes neither of two session cookies', async () => {
    const [alice, bob] = [await bff.signedIn('alice'), await bff.signedIn('bob')];
    const [one, other] = [alice.cookieHeader(), bob.cookieHeader()].map(
      (header) => /bff=[^;]+/.exec(header)?.[0],
    );
    const statusWith = async (cookie: string) =>
      (await bff.browser().fetch('/bff/user', { headers: { cookie } })).status;
    for (const cookie of [`${one}; ${other}`, `${other}; ${one}`])
      expect(await statusWith(cookie)).toBe(401);
    // A repeated cookie counts once, and one with an invalid signature does not count.
    for (const cookie of [`${one}`, `${one}; ${one}`, `${one}; bff=`])
      expect(await statusWith(cookie)).toBe(200);
  });

  it.each([
    ['no header', { csrf: false }],
    ['another value of the header', { headers: { 'x-csrf': '2' } }],
    ['the header twice', { headers: { 'x-csrf': '1, 1' } }],
    ['another site', { headers: { 'sec-fetch-site': 'cross-site' } }],
    ['a sibling site', { headers: { 'sec-fetch-site': 'same-site' } }],
    ['another origin', { headers: { origin: 'https://evil.example' } }],
    ['an opaque origin', { headers: { origin: 'null' } }],
  ])('is 403 with %s, signed in or not', async (_, options) => {
    for (const browser of [await bff.signedIn(), bff.browser()]) {
      const response = await browser.fetch('/bff/user', options);
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ code: 'csrf' });
    }
  });

  it('is 403 by a HEAD without the header', async () => {
    const browser = await bff.signedIn();
    expect((await browser.fetch('/bff/user', { csrf: false, method: 'HEAD' })).status).toBe(403);
    expect((await browser.fetch('/bff/user', { method: 'HEAD' })).status).toBe(200);
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH'])('is 405 by %s', async (method) => {
    const response = await bff.browser().fetch('/bff/user', { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('extends the idle time, except with slide=false', async () => {
    await bff.redis.clear();
    const browser = await bff.signedIn();
    // What is left after nine minutes of silence.
    const client = createClient({ url: bff.redis.url });
    await client.connect();
    const [key = ''] = await keysOf(bff, 'session');
    await client.pExpire(key, 60_000);
    await client.close();

    const quiet = (await (await browser.fetch('/bff/user?slide=false')).json()) as User;
    expect(quiet.session.expiresIn).toBeLessThanOrEqual(60);
    expect(Date.parse(quiet.session.idleExpiresAt) - Date.now()).toBeLessThanOrEqual(60_000);
    expect((await timesToLive(bff, 'session'))[0]).toBeLessThanOrEqual(60_000);

    const user = (await (await browser.fetch('/bff/user')).json()) as User;
    expect(user.session.expiresIn).toBeGreaterThan(590);
    expect((await timesToLive(bff, 'session'))[0]).toBeGreaterThan(590_000);
  });
});

describe('/bff/user with other options', () => {
  it('is null for a signed-out user with user.anonymous: 200, and still needs the CSRF header', async () => {
    await using bff = await startBff({ store: 'memory', user: { anonymous: 200 } });
    const response = await bff.browser().fetch('/bff/user');
    expect([response.status, await response.text()]).toEqual([200, 'null']);
    expect((await bff.browser().fetch('/bff/user', { csrf: false })).status).toBe(403);
  });

  it('is an array of claims with user.format: claims-array', async () => {
    await using bff = await startBff({ store: 'memory', user: { format: 'claims-array' } });
    const browser = await bff.signedIn();
    const claims = (await (await browser.fetch('/bff/user')).json()) as {
      type: string;
      value: string;
    }[];
    expect(claims.map(({ type }) => type)).toEqual([
      'sub',
      'name',
      'email',
      'email_verified',
      'bff:logout_url',
      'bff:session_expires_in',
    ]);
    for (const claim of claims) expect(Object.keys(claim)).toEqual(['type', 'value', 'valueType']);
    const logoutUrl = claims.find(({ type }) => type === 'bff:logout_url')?.value ?? '';
    await browser.click(logoutUrl, { redirect: 'manual' });
    expect((await browser.fetch('/bff/user')).status).toBe(401);
  });

  it('requires the header that the operator chose', async () => {
    await using bff = await startBff({ store: 'memory', csrf: { header: 'X-Own', value: 'yes' } });
    const browser = await bff.signedIn();
    expect((await browser.fetch('/bff/user')).status).toBe(403);
    expect((await browser.fetch('/bff/user', { headers: { 'x-own': 'yes' } })).status).toBe(200);
  });

  it('has the claims that only UserInfo knows, and calls it only when they are missing', async () => {
    for (const claimsInIdToken of [true, false]) {
      await using bff = await startBff({
        store: 'memory',
        authorizationServer: { claimsInIdToken },
      });
      const browser = await bff.signedIn();
      expect(await (await browser.fetch('/bff/user')).json()).toMatchObject({
        claims: { name: 'Alice Adams' },
      });
      expect(bff.authorizationServer.requestsTo('userinfo')).toHaveLength(claimsInIdToken ? 0 : 1);
    }
  });
});
