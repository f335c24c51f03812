import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import {
  asProgram,
  beginLogin,
  changed,
  errorCode,
  keysOf,
  untilCallback,
  visitCallback,
  whoIs,
} from './steps.ts';

/** The value of the session cookie. */
const sessionCookie = (browser: TestBrowser) =>
  browser.cookies().find(({ name }) => name.endsWith('bff'))?.value;

describe.each([
  { mode: 'http on localhost', https: false },
  { mode: 'https', https: true },
])('the callback with $mode', ({ https }) => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff({ https });
  });
  afterAll(() => bff.close());
  beforeEach(async () => {
    bff.authorizationServer.requests.length = 0;
    bff.authorizationServer.interaction = 'sign-in';
    await bff.redis.clear();
  });

  /** Refused before anything was asked of the token endpoint; nobody is signed in. */
  async function expectRefused(browser: TestBrowser, callback: URL, status: number, code: string) {
    const page = await visitCallback(bff, browser, callback);
    expect([page.status, errorCode(page)]).toEqual([status, code]);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.history[0]?.setCookie).toEqual([]);
    expect(bff.authorizationServer.tokenRequests()).toEqual([]);
    await expect(keysOf(bff, 'session')).resolves.toEqual([]);
    await expect(whoIs(browser)).resolves.toBeUndefined();
    return page;
  }

  it('signs in and leads to the return URL, with nothing of the protocol in its address', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, { returnUrl: '/there?a=1#b' });
    const page = await visitCallback(bff, browser, callback);
    expect([page.status, page.headers.get('location')]).toEqual([302, '/there?a=1#b']);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.body).not.toContain(callback.searchParams.get('code'));
    await expect(whoIs(browser)).resolves.toBe('alice');
    await expect(keysOf(bff, 'login')).resolves.toEqual([]);
    await expect(keysOf(bff, 'session')).resolves.toHaveLength(1);
  });

  it('ignores parameters it does not know', async () => {
    const browser = bff.browser();
    const callback = changed(await untilCallback(bff, browser), {
      session_state: 'x',
      foo: 'bar',
      returnUrl: 'https://evil.example',
    });
    const page = await visitCallback(bff, browser, callback);
    expect([page.status, page.headers.get('location')]).toEqual([302, '/']);
  });

  it('redeems the code once, however many visit it at the same time', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const pages = await Promise.all(
      Array.from({ length: 20 }, () => visitCallback(bff, browser, callback)),
    );
    expect(bff.authorizationServer.tokenRequests()).toHaveLength(1);
    expect(pages.map(({ status }) => status).toSorted()).toEqual([302, ...Array(19).fill(400)]);
    await expect(keysOf(bff, 'session')).resolves.toHaveLength(1);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('is worth nothing in another browser, and still good in the right one', async () => {
    const [victim, attacker] = [bff.browser(), bff.browser()];
    const callback = await untilCallback(bff, victim);
    await expectRefused(attacker, callback, 400, 'login_expired');
    await beginLogin(bff, attacker);
    await expectRefused(attacker, callback, 400, 'login_expired');
    expect((await visitCallback(bff, victim, callback)).status).toBe(302);
    await expect(whoIs(victim)).resolves.toBe('alice');
    await expect(whoIs(attacker)).resolves.toBeUndefined();
  });

  it('cannot make a browser sign in as a user who began in another browser', async () => {
    const [victim, attacker] = [bff.browser(), bff.browser()];
    const [forMallory, forVictim] = [
      await untilCallback(bff, attacker, { login_hint: 'bob' }),
      await untilCallback(bff, victim),
    ];
    const injected = changed(forVictim, { code: forMallory.searchParams.get('code') });
    const page = await visitCallback(bff, victim, injected);
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    await expect(whoIs(victim)).resolves.toBeUndefined();
    await expect(keysOf(bff, 'session')).resolves.toEqual([]);
  });

  it.each([
    ['another state', { state: 'x'.repeat(43) }, 'login_expired'],
    ['an empty state', { state: '' }, 'login_expired'],
    ['no state', { state: null }, 'login_expired'],
    ['no code', { code: null }, 'invalid_request'],
    ['an empty code', { code: '' }, 'invalid_request'],
    ['no iss, though the provider promises one', { iss: null }, 'invalid_request'],
    ['the iss of somebody else', { iss: 'https://evil.example' }, 'invalid_request'],
    ['an ID token', { id_token: 'a.b.c' }, 'invalid_request'],
    ['an access token', { access_token: 'x' }, 'invalid_request'],
    ['a JARM response', { response: 'a.b.c' }, 'invalid_request'],
    [
      'a refusal of somebody else',
      { error: 'access_denied', iss: 'https://evil.example' },
      'invalid_request',
    ],
  ])('is refused with %s', async (_, changes, code) => {
    const browser = bff.browser();
    const callback = changed(await untilCallback(bff, browser), changes);
    const page = await expectRefused(browser, callback, 400, code);
    expect(page.headers.has('location')).toBe(false);
  });

  it.each(['code', 'state', 'iss', 'foo'])(
    'is refused with %s twice, and still good as it was',
    async (name) => {
      const browser = bff.browser();
      const callback = await untilCallback(bff, browser);
      const doubled = new URL(callback);
      doubled.searchParams.append(name, 'x');
      doubled.searchParams.append(name, 'x');
      await expectRefused(browser, doubled, 400, 'invalid_request');
      expect((await visitCallback(bff, browser, callback)).status).toBe(302);
    },
  );

  it('is refused when the state is changed in a single letter, and still good as it was', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const state = callback.searchParams.get('state') ?? '';
    const swapped = state === state.toLowerCase() ? state.toUpperCase() : state.toLowerCase();
    await expectRefused(browser, changed(callback, { state: swapped }), 400, 'login_expired');
    await expectRefused(
      browser,
      changed(callback, { state: state.slice(0, -1) }),
      400,
      'login_expired',
    );
    expect((await visitCallback(bff, browser, callback)).status).toBe(302);
  });

  it.each([
    ['access_denied', 403, 'login_denied'],
    ['login_required', 403, 'login_denied'],
    ['server_error', 502, 'login_failed'],
    ['temporarily_unavailable', 503, 'provider_unavailable'],
    ['invalid_scope', 502, 'login_failed'],
    ['<script>alert(1)</script>', 502, 'login_failed'],
  ])(
    'that says %s is %i %s, shows nothing of what the server wrote, and is good for one use',
    async (error, status, code) => {
      const browser = bff.browser();
      const callback = changed(await untilCallback(bff, browser), {
        error,
        error_description: 'canary"><script>alert(2)</script>\r\nX: y',
        error_uri: 'javascript:canary',
      });
      const page = await expectRefused(browser, callback, status, code);
      expect(page.body).not.toMatch(/canary|<script/);
      await expectRefused(browser, callback, 400, 'login_expired');
    },
  );

  it('shows a page with a way on to a person who said no', async () => {
    bff.authorizationServer.interaction = 'deny';
    const page = await bff.signIn(bff.browser());
    expect([page.status, errorCode(page)]).toEqual([403, 'login_denied']);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.body).toContain('href="/bff/login"');
    expect(page.body).not.toContain('The person said no');
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  });

  it('sends a signed-in user to the default return URL without any other request', async () => {
    const browser = await bff.signedIn();
    const cookie = sessionCookie(browser);
    bff.authorizationServer.requests.length = 0;
    const used = `${bff.url}/bff/callback?code=x&state=used`;
    for (const headers of [{}, asProgram]) {
      const page = await browser.navigate(used, { redirect: 'manual', headers });
      expect([page.status, page.headers.get('location')]).toEqual([302, '/']);
      expect(page.history[0]?.setCookie).toEqual([]);
    }
    expect(bff.authorizationServer.requests).toEqual([]);
    expect(sessionCookie(browser)).toBe(cookie);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('tells a program in JSON and a person on a page that a sign-in has expired', async () => {
    const browser = bff.browser();
    const program = await browser.navigate('/bff/callback?code=x&state=y', { headers: asProgram });
    expect(JSON.parse(program.body)).toMatchObject({
      type: 'urn:pixie-bff:login_expired',
      status: 400,
      code: 'login_expired',
    });
    const page = await browser.navigate('/bff/callback?code=x&state=y');
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.body).toContain('href="/bff/login"');
  });

  it.each(['HEAD', 'POST', 'PUT', 'OPTIONS'])('by %s does not spend the state', async (method) => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const page = await browser.navigate(callback.href, { method, redirect: 'manual' });
    expect([page.status, page.headers.get('allow')]).toEqual([405, 'GET']);
    expect((await visitCallback(bff, browser, callback)).status).toBe(302);
  });

  it.each([
    '/callback/',
    '/Callback',
    '/callback/corp',
    '/callback/other',
    '/callback/corp/x',
    '/callback/%2e',
    '/callback/__proto__',
  ])('is not at %s', async (path) => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const elsewhere = `${bff.url}/bff${path}${callback.search}`;
    const page = await browser.navigate(elsewhere, { redirect: 'manual' });
    expect([400, 404]).toContain(page.status);
    expect(bff.authorizationServer.tokenRequests()).toEqual([]);
    expect((await visitCallback(bff, browser, callback)).status).toBe(302);
  });

  it('gives a new session id, and the one an attacker planted is worth nothing', async () => {
    const [attacker, victim] = [await bff.signedIn('bob'), bff.browser()];
    const planted = attacker.cookies().find(({ name }) => name.endsWith('bff'));
    victim.jar.store(planted?.raw ?? '', new URL(bff.url), { sameSite: true, topLevel: 'safe' });
    expect(sessionCookie(victim)).toBe(planted?.value);

    await bff.signedIn('alice', victim);

    expect(sessionCookie(victim)).not.toBe(planted?.value);
    await expect(whoIs(victim)).resolves.toBe('alice');
    await expect(whoIs(attacker)).resolves.toBeUndefined();
    await expect(keysOf(bff, 'session')).resolves.toHaveLength(1);
  });

  it('takes a session id that was never given for none', async () => {
    const browser = await bff.signedIn();
    const first = sessionCookie(browser);
    await bff.redis.clear();
    await bff.signedIn('alice', browser);
    expect(sessionCookie(browser)).not.toBe(first);
  });

  it('ends the session that was there before, though its Strict cookie did not come along', async () => {
    const browser = await bff.signedIn('alice');
    const old = browser.cookieHeader();
    const page = await bff.signIn(browser, { login_hint: 'bob' });
    const back = page.history.find(({ url }) => url.includes('/bff/callback'));
    expect(back?.cookie).not.toContain(sessionCookie(browser)?.slice(0, 10));
    expect(back?.cookie).toMatch(/^[\w-]*bff-login=[^;]+$/);
    await expect(whoIs(browser)).resolves.toBe('bob');
    const stolen = bff.browser();
    const response = await stolen.fetch('/bff/user', { headers: { cookie: old } });
    expect(response.status).toBe(401);
    await expect(keysOf(bff, 'session')).resolves.toHaveLength(1);
  });

  it('ends the session that another tab began meanwhile, where its cookie comes along', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    await bff.signedIn('alice', browser);
    const meanwhile = browser.cookieHeader();
    // Typed into the address bar, or sent by a server on the same site: then a Strict cookie
    // travels.
    const page = await browser.navigate(callback.href, { redirect: 'manual' });
    expect(page.status).toBe(302);
    await expect(keysOf(bff, 'session')).resolves.toHaveLength(1);
    const stolen = await bff.browser().fetch('/bff/user', { headers: { cookie: meanwhile } });
    expect(stolen.status).toBe(401);
  });

  it('gives a second person in the same browser nothing of the first', async () => {
    const { people } = bff.authorizationServer;
    people['alice'] = { ...people['alice'], picture: 'https://canary.example/alice' };
    const browser = await bff.signedIn('alice');
    const before = (await (await browser.fetch('/bff/user')).json()) as { session: { id: string } };
    await bff.signedIn('bob', browser);
    const after = await (await browser.fetch('/bff/user')).text();
    expect(after).toContain('Bob Brown');
    expect(after).not.toMatch(/alice|Alice|canary/);
    expect(after).not.toContain(before.session.id);
    await browser.fetch('/api/x');
    const token = bff.upstream.last.headers.authorization?.replace('Bearer ', '') ?? '';
    await expect(bff.authorizationServer.subjectOf(token)).resolves.toBe('bob');
  });

  it('keeps the session that is there when another sign-in fails', async () => {
    const browser = await bff.signedIn('alice');
    const cookie = sessionCookie(browser);
    bff.authorizationServer.override('token', respondWith(400, { error: 'invalid_grant' }));
    const page = await bff.signIn(browser, { login_hint: 'bob' });
    bff.authorizationServer.override('token', undefined);
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    expect(sessionCookie(browser)).toBe(cookie);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('logs a sign-in as such, with no error and nothing secret', async () => {
    const from = bff.logs.lines.length;
    const page = await bff.signIn(bff.browser());
    const lines = bff.logs.lines.slice(from);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
    expect(lines.filter(({ msg }) => msg === 'signed in')).toHaveLength(1);
    const text = JSON.stringify(lines);
    const back = new URL(page.history.find(({ url }) => url.includes('/bff/callback'))?.url ?? '');
    for (const secret of [back.searchParams.get('code'), back.searchParams.get('state'), 'alice']) {
      expect(text).not.toContain(secret);
    }
  });
});

describe('the callback with an error page of the application', () => {
  it.each([
    ['/oops', '/oops?code='],
    ['/oops?from=bff', '/oops?from=bff&code='],
  ])(
    'leads a person to %s with the code, and responds to a program itself',
    async (errorUrl, location) => {
      await using bff = await startBff({ store: 'memory', errorUrl });
      const browser = bff.browser();
      const page = await browser.navigate('/bff/callback?state=x', { redirect: 'manual' });
      expect([page.status, page.headers.get('location')]).toEqual([
        302,
        `${location}login_expired`,
      ]);
      expect(page.headers.get('cache-control')).toBe('no-store');
      const program = await browser.navigate('/bff/callback?state=x', { headers: asProgram });
      expect(program.status).toBe(400);
    },
  );
});

describe('the callback of a provider that does not promise iss', () => {
  it.each([
    [{}, 302],
    [{ iss: 'https://evil.example' }, 400],
  ])('with %j is %i', async (changes, status) => {
    await using bff = await startBff({ store: 'memory' });
    bff.authorizationServer.transform('discovery', (json) => ({
      ...json,
      authorization_response_iss_parameter_supported: undefined,
    }));
    const browser = bff.browser();
    const callback = changed(await untilCallback(bff, browser), { iss: null, ...changes });
    expect((await visitCallback(bff, browser, callback)).status).toBe(status);
  });
});
