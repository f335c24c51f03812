import { createHash } from 'node:crypto';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import {
  asProgram,
  beginLogin,
  cookieLines,
  errorCode,
  keysOf,
  timesToLive,
  untilCallback,
  visitCallback,
} from './steps.ts';

const modes = [
  { mode: 'http on localhost', https: false, prefix: '', secure: '' },
  { mode: 'https', https: true, prefix: '__Host-Http-', secure: '; Secure' },
];

describe.each(modes)('login with $mode', ({ https, prefix, secure }) => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff({ https });
  });
  afterAll(() => bff.close());
  beforeEach(async () => {
    bff.authorizationServer.requests.length = 0;
    await bff.redis.clear();
  });

  it('sends the browser to the authorization endpoint with PKCE, state and nonce', async () => {
    const { page, request } = await beginLogin(bff, bff.browser());
    expect(page.status).toBe(302);
    expect(request.origin + request.pathname).toBe(`${bff.authorizationServer.issuer}/auth`);
    const parameters = Object.fromEntries(request.searchParams);
    expect(parameters).toEqual({
      client_id: bff.authorizationServer.clientId,
      response_type: 'code',
      redirect_uri: `${bff.url}/bff/callback`,
      scope: 'openid profile email offline_access',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{43,}$/),
      nonce: expect.stringMatching(/^[\w-]{43,}$/),
    });
    expect([...request.searchParams]).toHaveLength(Object.keys(parameters).length);
  });

  it('shows the challenge of the verifier that only the token endpoint gets', async () => {
    const browser = bff.browser();
    const page = await bff.signIn(browser);
    const [request] = bff.authorizationServer.authorizationRequests();
    const [exchange] = bff.authorizationServer.tokenRequests('authorization_code');
    const verifier = exchange?.form.get('code_verifier') ?? '';
    expect(verifier).toMatch(/^[A-Za-z0-9\-._~]{43,128}$/);
    expect(request?.query.get('code_challenge')).toBe(
      createHash('sha256').update(verifier).digest('base64url'),
    );
    expect(exchange?.form.get('redirect_uri')).toBe(`${bff.url}/bff/callback`);
    expect(exchange?.headers.authorization).toMatch(/^Basic /);
    expect(exchange?.form.has('client_secret')).toBe(false);
    expect(JSON.stringify(page.history)).not.toContain(verifier);
    expect(bff.logs.text).not.toContain(verifier);
  });

  it('never uses a state, nonce or challenge twice', async () => {
    const browser = bff.browser();
    const seen = new Set<string | null>();
    for (let n = 0; n < 20; n += 1) {
      const { searchParams } = (await beginLogin(bff, browser)).request;
      for (const name of ['state', 'nonce', 'code_challenge']) seen.add(searchParams.get(name));
    }
    expect(seen.size).toBe(60);
  });

  it('sets one small cookie for ten minutes, and no session', async () => {
    const browser = bff.browser();
    const { page } = await beginLogin(bff, browser);
    expect(cookieLines(page)).toEqual([
      `${prefix}bff-login; HttpOnly; Max-Age=600; Path=/; SameSite=Lax${secure}`,
    ]);
    expect(browser.cookies()[0]?.value.length).toBeLessThan(150);
    await expect(keysOf(bff, 'session')).resolves.toEqual([]);
    const [left = 0, ...others] = await timesToLive(bff, 'login');
    expect(others).toEqual([]);
    expect(left).toBeGreaterThan(590_000);
    expect(left).toBeLessThanOrEqual(600_000);
  });

  it('keeps the value of the cookie for every further tab, for another ten minutes', async () => {
    const browser = bff.browser();
    await beginLogin(bff, browser);
    const [first] = browser.cookies();
    const { page } = await beginLogin(bff, browser);
    expect(browser.cookies()).toHaveLength(1);
    expect(browser.cookies()[0]?.value).toBe(first?.value);
    expect(page.history[0]?.setCookie).toHaveLength(1);
  });

  it('sets the session cookie at the callback with exactly the promised attributes', async () => {
    const browser = bff.browser();
    const page = await visitCallback(bff, browser, await untilCallback(bff, browser));
    expect(cookieLines(page)).toEqual([`${prefix}bff; HttpOnly; Path=/; SameSite=Strict${secure}`]);
    expect(page.history[0]?.setCookie.join()).not.toMatch(/Expires|Max-Age|Domain/i);
    expect(browser.documentCookie).toBe('');
  });

  it('knows nothing of what another host claims to be', async () => {
    const response = await fetch(`http${https ? 's' : ''}://localhost:${bff.port}/bff/login`, {
      redirect: 'manual',
      headers: {
        'x-forwarded-host': 'evil.example',
        forwarded: 'host=evil.example',
        'x-forwarded-proto': 'ftp',
      },
    }).catch(() => undefined);
    // Node's fetch does not trust the certificate of the https mode; the little browser does.
    const page = response ?? (await beginLogin(bff, bff.browser())).page;
    const location = new URL(page.headers.get('location') ?? '');
    expect(location.searchParams.get('redirect_uri')).toBe(`${bff.url}/bff/callback`);
  });
});

describe('login', () => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff({ provider: { loginParams: ['kc_idp_hint'] } });
  });
  afterAll(() => bff.close());
  beforeEach(() => bff.redis.clear());

  it('passes on the parameters that a page may set, and those that the operator allows', async () => {
    const parameters = {
      prompt: 'login',
      login_hint: 'bob',
      acr_values: 'urn:test:mfa',
      max_age: '60',
      ui_locales: 'de',
      kc_idp_hint: 'x',
    };
    const { request } = await beginLogin(bff, bff.browser(), {
      ...parameters,
      returnUrl: '/there',
    });
    expect(Object.fromEntries(request.searchParams)).toMatchObject(parameters);
    expect(request.searchParams.has('returnUrl')).toBe(false);
  });

  it.each([
    'redirect_uri',
    'scope',
    'state',
    'nonce',
    'client_id',
    'response_type',
    'code_challenge',
    'code_challenge_method',
  ])('does not let a page inject %s', async (name) => {
    const { request } = await beginLogin(bff, bff.browser(), { [name]: 'evil' });
    expect(request.searchParams.getAll(name)).toHaveLength(1);
    expect(request.search).not.toContain('evil');
  });

  it.each([
    'response_mode',
    'request',
    'request_uri',
    'claims',
    'id_token_hint',
    'resource',
    'organization',
    'login_hint[]x',
  ])('ignores %s, which is not allowed', async (name) => {
    const { page, request } = await beginLogin(bff, bff.browser(), {
      [name.replace('[]x', '_x')]: 'evil',
    });
    expect(page.status).toBe(302);
    expect(request.search).not.toContain('evil');
  });

  it.each([
    ['returnUrl=/a&returnUrl=/b', 400, 'invalid_request'],
    ['returnUrl[]=/a', 400, 'invalid_request'],
    ['provider=corp&provider=corp', 400, 'invalid_request'],
    ['prompt=login&prompt=none', 400, 'invalid_request'],
    ['kc_idp_hint=a&kc_idp_hint=b', 400, 'invalid_request'],
    ['max_age=soon', 400, 'invalid_request'],
    ['login_hint=%0d%0aX: y', 400, 'invalid_request'],
    ['returnUrl=//evil.example', 400, 'invalid_return_url'],
    ['returnUrl=https://evil.example', 400, 'invalid_return_url'],
    ['returnUrl=/%2Fevil.example', 400, 'invalid_return_url'],
    ['returnUrl=/%255Cevil.example', 400, 'invalid_return_url'],
    ['returnUrl=/bff/login', 400, 'invalid_return_url'],
    ['provider=other', 404, 'unknown_provider'],
    ['provider=', 404, 'unknown_provider'],
    ['provider=__proto__', 404, 'unknown_provider'],
  ])('with %s is %i %s: nothing is stored and no cookie set', async (query, status, code) => {
    const browser = bff.browser();
    const program = await browser.navigate(`/bff/login?${query}`, {
      redirect: 'manual',
      headers: asProgram,
    });
    expect([program.status, errorCode(program)]).toEqual([status, code]);
    expect(program.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(JSON.parse(program.body)).toEqual({
      type: `urn:pixie-bff:${code}`,
      title: expect.any(String),
      status,
      code,
      requestId: program.headers.get('x-request-id'),
    });
    const page = await browser.navigate(`/bff/login?${query}`, { redirect: 'manual' });
    expect([page.status, errorCode(page)]).toEqual([status, code]);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    for (const response of [program, page]) {
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.history[0]?.setCookie).toEqual([]);
    }
    expect((await bff.redis.dump()).size).toBe(0);
  });

  it.each([
    ['image', undefined],
    ['iframe', undefined],
    ['script', undefined],
    ['empty', 'none'],
    ['iframe', 'login'],
    ['object', 'none'],
  ])('by a hidden %s with prompt %s is refused as forgery', async (dest, prompt) => {
    const query = prompt ? `?prompt=${prompt}` : '';
    const page = await bff.browser().navigate(`/bff/login${query}`, {
      from: 'https://evil.example/',
      redirect: 'manual',
      headers: { 'sec-fetch-dest': dest },
    });
    expect([page.status, errorCode(page)]).toEqual([403, 'csrf']);
    expect(page.history[0]?.setCookie).toEqual([]);
    expect((await bff.redis.dump()).size).toBe(0);
  });

  it('in a hidden frame may check whether a user is signed in already', async () => {
    const page = await bff
      .browser()
      .navigate('/bff/login?prompt=none', { dest: 'iframe', redirect: 'manual' });
    expect(page.status).toBe(302);
  });

  it('by a browser without Fetch Metadata is a login', async () => {
    const page = await bff
      .browser()
      .navigate('/bff/login', { redirect: 'manual', headers: asProgram });
    expect(page.status).toBe(302);
  });

  it.each(['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])(
    'by %s is not one, and creates nothing',
    async (method) => {
      const response = await bff.browser().fetch('/bff/login', { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
      expect(response.headers.getSetCookie()).toEqual([]);
      expect((await bff.redis.dump()).size).toBe(0);
    },
  );

  it.each([
    '/bff/login/',
    '/bff/login/x',
    '/bff/constructor',
    '/bff/__proto__',
    '/bff/toString',
    '/bff/',
    '/bff',
  ])('is not at %s', async (path) => {
    const page = await bff.browser().navigate(path, { redirect: 'manual', headers: asProgram });
    expect([page.status, errorCode(page)]).toEqual([404, 'not_found']);
    expect(page.headers.get('cache-control')).toBe('no-store');
  });

  it('is no place that other sites may frame or that leaks where one came from', async () => {
    const { page } = await beginLogin(bff, bff.browser());
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    expect(page.headers.has('x-powered-by')).toBe(false);
  });

  it('with a forged login cookie, or with two different ones, gets a new one', async () => {
    const [browser, other] = [bff.browser(), bff.browser()];
    await beginLogin(bff, browser);
    await beginLogin(bff, other);
    const [value, second] = [browser, other].map((one) => one.cookies()[0]?.value ?? '');
    for (const cookie of [
      'bff-login=s%3Aforged.signature',
      `bff-login=${value}; bff-login=${second}`,
      'bff-login=%',
    ]) {
      const page = await bff
        .browser()
        .navigate('/bff/login', { redirect: 'manual', headers: { cookie } });
      const [line = ''] = page.history[0]?.setCookie ?? [];
      expect(line).toMatch(/^bff-login=s%3A/);
      expect(line).not.toContain(value);
    }
  });
});

describe('login with other options', () => {
  it('uses the names, path and lifetime that the operator chose', async () => {
    await using bff = await startBff({
      store: 'memory',
      basePath: '/auth',
      session: {
        cookieName: 'shop',
        sameSite: 'lax',
        persistent: true,
        absolute: '1h',
        idle: '10m',
      },
    });
    const browser = await bff.signedIn();
    const lines = browser.cookies().map(({ raw }) => raw);
    expect(lines.find((line) => line.startsWith('shop-login='))).toContain('SameSite=Lax');
    expect(lines.find((line) => line.startsWith('shop='))).toMatch(
      /Max-Age=3600;.*HttpOnly; SameSite=Lax/,
    );
    expect((await browser.fetch('/auth/user')).status).toBe(200);
    expect((await browser.fetch('/bff/user')).status).toBe(404);
  });

  it('pushes the request where the provider insists on that, so that only a reference is in the address', async () => {
    await using bff = await startBff({ store: 'memory', authorizationServer: { par: 'required' } });
    const browser = bff.browser();
    const { request } = await beginLogin(bff, browser);
    expect([...request.searchParams.keys()].toSorted()).toEqual(['client_id', 'request_uri']);
    const [pushed] = bff.authorizationServer.requestsTo('par');
    expect(pushed?.form.get('code_challenge_method')).toBe('S256');
    expect(pushed?.headers.authorization).toMatch(/^Basic /);
    await bff.signedIn('alice', browser);
  });

  it.each([
    ['never', 'offered'],
    ['auto', 'offered'],
    ['auto', 'off'],
  ] as const)('does not push it with par: %s where it is %s', async (par, offered) => {
    await using bff = await startBff({
      store: 'memory',
      provider: { par },
      authorizationServer: { par: offered },
    });
    expect((await beginLogin(bff, bff.browser())).request.searchParams.has('state')).toBe(true);
  });

  it('never falls back to an open request when pushing fails', async () => {
    await using bff = await startBff({ store: 'memory', authorizationServer: { par: 'required' } });
    bff.authorizationServer.override('par', (_request, response) =>
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"error":"invalid_request"}'),
    );
    const { page } = await beginLogin(bff, bff.browser());
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    expect(page.history[0]?.setCookie).toEqual([]);
  });
});
