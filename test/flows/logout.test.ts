import { respondWith, hang, type Handler } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { asProgram, cookieLines, errorCode, keysOf, whoIs } from './steps.ts';

/** The session's public id and logout address, as the front end learns them. */
async function logoutOf(browser: TestBrowser): Promise<{ sid: string; logoutUrl: string }> {
  const user = (await (await browser.fetch('/bff/user')).json()) as {
    session: { id: string };
    logoutUrl: string;
  };
  return { sid: user.session.id, logoutUrl: user.logoutUrl };
}

const modes = [
  { mode: 'http on localhost', https: false, cookie: 'bff; HttpOnly; Path=/; SameSite=Strict' },
  {
    mode: 'https',
    https: true,
    cookie: '__Host-Http-bff; HttpOnly; Path=/; SameSite=Strict; Secure',
  },
];

describe.each(modes)('logout with $mode', ({ https, cookie }) => {
  let bff: TestBff;
  let browser: TestBrowser;
  beforeAll(async () => {
    bff = await startBff({ https });
  });
  afterAll(() => bff.close());
  beforeEach(async () => {
    await bff.redis.clear();
    browser = await bff.signedIn();
    bff.authorizationServer.requests.length = 0;
  });

  it('by a link ends the session, revokes the refresh token and goes on to the authorization server', async () => {
    const stolen = browser.cookieHeader();
    const { logoutUrl } = await logoutOf(browser);
    const page = await browser.click(`${logoutUrl}&returnUrl=/bye`, { redirect: 'manual' });

    expect(page.status).toBe(302);
    expect(page.headers.get('cache-control')).toBe('no-store');
    const location = new URL(page.headers.get('location') ?? '');
    expect(location.origin + location.pathname).toBe(
      `${bff.authorizationServer.issuer}/session/end`,
    );
    expect(Object.fromEntries(location.searchParams)).toEqual({
      id_token_hint: expect.stringMatching(/^eyJ/),
      client_id: bff.authorizationServer.clientId,
      post_logout_redirect_uri: `${bff.url}/bff/logout/callback`,
      state: expect.stringMatching(/^[\w-]+$/),
    });
    expect(cookieLines(page)).toEqual([cookie]);
    expect(page.history[0]?.setCookie[0]).toContain('Expires=Thu, 01 Jan 1970 00:00:00 GMT');
    expect(page.history[0]?.setCookie[0]).toMatch(/^[\w-]+=;/);
    await expect(keysOf(bff, 'session')).resolves.toEqual([]);

    const revocations = bff.authorizationServer.requestsTo('revocation');
    expect(revocations).toHaveLength(1);
    expect(revocations[0]?.form.get('token_type_hint')).toBe('refresh_token');
    expect(revocations[0]?.headers.authorization).toMatch(/^Basic /);
    for (const path of ['/bff/user', '/api/x']) {
      const replayed = await bff.browser().fetch(path, { headers: { cookie: stolen } });
      expect(replayed.status).toBe(401);
    }
  });

  it('comes back to the return URL, and the next sign-in shows the login form', async () => {
    const { logoutUrl } = await logoutOf(browser);
    const page = await browser.click(`${logoutUrl}&returnUrl=${encodeURIComponent('/bye?a=1#b')}`);
    const last = page.history.findLast(({ url }) => url.includes('/bff/logout/callback'));
    expect([last?.status, last?.location]).toEqual([302, '/bye?a=1#b']);
    await expect(whoIs(browser)).resolves.toBeUndefined();
    await bff.signedIn('bob', browser);
    await expect(whoIs(browser)).resolves.toBe('bob');
  });

  it.each([
    ['no sid', ''],
    ['an empty sid', '?sid='],
    ['the sid of somebody else', '?sid=AAAAAAAAAAAAAAAAAAAAAA'],
  ])('by a link with %s ends nothing', async (_, query) => {
    const page = await browser.navigate(`/bff/logout${query}`, {
      from: 'https://evil.example/',
      redirect: 'manual',
    });
    // The Strict cookie does not come along from another site: to the BFF nobody is signed in
    // there.
    expect([page.status, page.headers.get('location')]).toEqual([302, '/']);
    for (const headers of [{}, asProgram]) {
      const own = await browser.click(`/bff/logout${query}`, { redirect: 'manual', headers });
      expect([own.status, errorCode(own)]).toEqual([400, 'session_mismatch']);
      expect(own.history[0]?.setCookie).toEqual([]);
    }
    await expect(whoIs(browser)).resolves.toBe('alice');
    expect(bff.authorizationServer.requestsTo('revocation')).toEqual([]);
  });

  it('does not take the value of the cookie for the sid', async () => {
    const value = decodeURIComponent(browser.cookieHeader().split('=').at(-1) ?? '');
    const page = await browser.click(`/bff/logout?sid=${value.slice(2, 45)}`, {
      redirect: 'manual',
    });
    expect([page.status, errorCode(page)]).toEqual([400, 'session_mismatch']);
  });

  it.each([
    ['returnUrl=https://evil.example', 'invalid_return_url'],
    ['returnUrl=//evil.example', 'invalid_return_url'],
    ['returnUrl=/a&returnUrl=/b', 'invalid_request'],
    ['sid=again', 'invalid_request'],
  ])('with %s is refused and ends nothing', async (query, code) => {
    const { logoutUrl } = await logoutOf(browser);
    const page = await browser.click(`${logoutUrl}&${query}`, { redirect: 'manual' });
    expect([page.status, errorCode(page)]).toEqual([400, code]);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('of a signed-out user leads to the return URL', async () => {
    const page = await bff.browser().navigate('/bff/logout?returnUrl=/bye', { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/bye']);
    expect(page.history[0]?.setCookie).toEqual([]);
  });

  it.each([
    ['without a sid', ''],
    ['with the right sid', 'sid'],
  ])('by fetch %s responds with the address to go to', async (_, name) => {
    const { sid } = await logoutOf(browser);
    const query = name ? `?sid=${sid}` : '';
    const response = await browser.fetch(`/bff/logout${query}`, { method: 'POST' });
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const { location, ...others } = (await response.json()) as { location: string };
    expect(others).toEqual({});
    expect(location).toContain(`${bff.authorizationServer.issuer}/session/end?`);
    await expect(keysOf(bff, 'session')).resolves.toEqual([]);
    const page = await browser.click(location);
    expect(page.history.at(-1)?.url).toBe(`${bff.url}/`);
  });

  it('by fetch with a wrong sid ends nothing', async () => {
    const response = await browser.fetch('/bff/logout?sid=wrong', { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'session_mismatch' }),
    ]);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it.each([
    ['without the header', { csrf: false }],
    ['from another site', { headers: { 'sec-fetch-site': 'cross-site' } }],
    ['from another origin', { headers: { origin: 'https://evil.example' } }],
  ])('by fetch %s is refused as forgery and ends nothing', async (_, options) => {
    const response = await browser.fetch('/bff/logout', { method: 'POST', ...options });
    expect([response.status, await response.json()]).toEqual([
      403,
      expect.objectContaining({ code: 'csrf' }),
    ]);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('by fetch of a signed-out user responds with the return URL', async () => {
    const response = await bff.browser().fetch('/bff/logout?returnUrl=/bye', { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([200, { location: '/bye' }]);
  });

  it.each(['HEAD', 'PUT', 'DELETE', 'OPTIONS'])('by %s is none', async (method) => {
    const { logoutUrl } = await logoutOf(browser);
    const response = await browser.fetch(logoutUrl, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST']);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it.each([
    ['no state', ''],
    ['an empty state', '?state='],
    ['a return URL as the state', '?state=https://evil.example'],
    ['a forged state', `?state=${'A'.repeat(80)}`],
    ['a state twice', '?state=a&state=b'],
    ['a code and an error', '?code=x&error=y&error_description=%3Cscript%3E'],
  ])('comes back with %s to the default return URL', async (_, query) => {
    const page = await bff
      .browser()
      .navigate(`/bff/logout/callback${query}`, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/']);
    expect(page.headers.get('cache-control')).toBe('no-store');
  });

  it('in one tab ends every tab, and the second click on the link is no error', async () => {
    const { logoutUrl } = await logoutOf(browser);
    await browser.click(logoutUrl, { redirect: 'manual' });
    const again = await browser.click(logoutUrl, { redirect: 'manual' });
    expect([again.status, again.headers.get('location')]).toEqual([302, '/']);
    expect((await browser.fetch('/api/x')).status).toBe(401);
  });

  it('of one session leaves the others of the same person alone', async () => {
    const other = await bff.signedIn();
    await browser.click((await logoutOf(browser)).logoutUrl, { redirect: 'manual' });
    await expect(whoIs(other)).resolves.toBe('alice');
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });
});

describe('logout at a provider in trouble', () => {
  const cases: readonly (readonly [string, 'revocation' | '*', Handler])[] = [
    ['refuses to revoke', 'revocation', respondWith(400, { error: 'unsupported_token_type' })],
    ['cannot revoke now', 'revocation', respondWith(503)],
    ['revokes for ever', 'revocation', hang()],
    ['answers nothing at all', '*', hang()],
  ];

  it.each(cases)(
    'that %s still signs the user out within two and a half seconds',
    async (_, endpoint, handler) => {
      await using bff = await startBff({ store: 'memory' });
      const browser = await bff.signedIn();
      bff.authorizationServer.override(endpoint, handler);
      const { logoutUrl } = await logoutOf(browser);
      const began = performance.now();
      const page = await browser.click(logoutUrl, { redirect: 'manual' });
      expect(performance.now() - began).toBeLessThan(2500);
      expect(page.status).toBe(302);
      await expect(whoIs(browser)).resolves.toBeUndefined();
      expect(bff.logs.lines).toContainEqual(
        expect.objectContaining({ level: 'warn', msg: 'revocation failed' }),
      );
    },
  );

  it('that is down signs the user out and leads to the return URL or its own page', async () => {
    await using bff = await startBff({ store: 'memory' });
    const browser = await bff.signedIn();
    const { logoutUrl } = await logoutOf(browser);
    await bff.authorizationServer.goDown();
    const page = await browser.click(`${logoutUrl}&returnUrl=/bye`, { redirect: 'manual' });
    expect(page.status).toBe(302);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('that was never reached since the start leads to the return URL', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn();
    const { logoutUrl } = await logoutOf(browser);
    await bff.stop();
    await bff.authorizationServer.goDown();
    await bff.start();
    await waitFor(() => whoIs(browser));
    const page = await browser.click(`${logoutUrl}&returnUrl=/bye`, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/bye']);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('without an end session endpoint leads to the return URL', async () => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { rpInitiatedLogout: false },
    });
    const browser = await bff.signedIn();
    const response = await browser.fetch('/bff/logout?returnUrl=/bye', { method: 'POST' });
    expect(await response.json()).toEqual({ location: '/bye' });
    expect(bff.authorizationServer.requestsTo('revocation')).toHaveLength(1);
  });

  it('whose end session endpoint is no web address leads to the return URL', async () => {
    await using bff = await startBff({ store: 'memory' });
    bff.authorizationServer.transform('discovery', (json) => ({
      ...json,
      end_session_endpoint: 'javascript:alert(1)',
    }));
    const browser = await bff.signedIn();
    const page = await browser.click((await logoutOf(browser)).logoutUrl, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/']);
  });

  it('that has no revocation endpoint, or gave no refresh token, gets the requests that it supports', async () => {
    await using without = await startBff({
      store: 'memory',
      authorizationServer: { revocation: false },
    });
    const browser = await without.signedIn();
    await browser.fetch('/bff/logout', { method: 'POST' });
    await expect(whoIs(browser)).resolves.toBeUndefined();

    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { refreshTokens: false },
    });
    await (await bff.signedIn()).fetch('/bff/logout', { method: 'POST' });
    const [revocation] = bff.authorizationServer.requestsTo('revocation');
    expect(revocation?.form.get('token_type_hint')).toBe('access_token');
  });
});

describe('logout after a change of the configuration', () => {
  it('signs out of a provider that is no longer there', async () => {
    await using before = await startBff();
    const browser = await before.signedIn();
    await using after = await startBff({
      publicUrl: before.url,
      redis: { url: before.redis.url, keyPrefix: before.redis.keyPrefix },
      authorizationServer: before.authorizationServer,
      provider: { id: 'another' },
    });
    browser.via(after.port);
    const { logoutUrl } = await logoutOf(browser);
    const page = await browser.click(`${logoutUrl}&returnUrl=/bye`, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/bye']);
    expect(cookieLines(page)).toHaveLength(1);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('ends a session whose provider is another client now, for replicas that do not know yet', async () => {
    await using before = await startBff();
    const browser = await before.signedIn();
    await using after = await startBff({
      publicUrl: before.url,
      redis: { url: before.redis.url, keyPrefix: before.redis.keyPrefix },
      authorizationServer: before.authorizationServer,
      provider: { clientId: 'another' },
    });
    const { logoutUrl } = await logoutOf(browser);
    browser.via(after.port);
    await expect(whoIs(browser)).resolves.toBeUndefined();
    const page = await browser.click(`${logoutUrl}&returnUrl=/bye`, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/bye']);
    expect(cookieLines(page)).toHaveLength(1);
    expect(await keysOf(before, 'session')).toEqual([]);
  });

  it('does not lead to an origin that is not allowed any more', async () => {
    const elsewhere = 'https://partner.example/bye';
    await using before = await startBff({
      store: 'memory',
      login: { allowedReturnOrigins: ['https://partner.example'] },
    });
    const browser = await before.signedIn();
    const query = `returnUrl=${encodeURIComponent(elsewhere)}`;
    const response = await browser.fetch(`/bff/logout?${query}`, { method: 'POST' });
    const { location } = (await response.json()) as { location: string };
    const callback = `/bff/logout/callback?state=${new URL(location).searchParams.get('state')}`;
    const allowed = await before.browser().navigate(callback, { redirect: 'manual' });
    expect(allowed.headers.get('location')).toBe(elsewhere);

    await using after = await startBff({ store: 'memory' });
    const refused = await after.browser().navigate(callback, { redirect: 'manual' });
    expect([refused.status, errorCode(refused)]).toEqual([400, 'invalid_return_url']);
  });
});
