import { importJWK, type JWK, SignJWT } from 'jose';
import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { FetchOptions, TestBrowser } from '../support/browser/browser.ts';
import { testClock } from '../support/time/clock.ts';
import { openWebSocket, refusalOf } from '../support/network/web-sockets.ts';
import { errorCode, whoIs } from './steps.ts';

const mfa = 'urn:test:mfa';
const minute = 60_000;

const challenge = respondWith(401, 'not enough', {
  'www-authenticate': `Bearer error="insufficient_user_authentication", error_description="no, error=\\"invalid_token\\"", acr_values="${mfa} urn:test:phr", max_age="300"`,
});

interface Problem {
  readonly httpStatus: number;
  readonly code: string;
  readonly loginUrl?: string;
}

async function problemAt(
  browser: TestBrowser,
  path: string,
  options: FetchOptions = {},
): Promise<Problem> {
  const response = await browser.fetch(path, options);
  const text = await response.text();
  expect(response.headers.get('set-cookie')).toBeNull();
  return { ...(JSON.parse(text) as Problem), httpStatus: response.status };
}

/** ID tokens with other claims, signed as the authorization server does. */
function changeIdToken({ authorizationServer }: TestBff, change: object): void {
  authorizationServer.transform('token', async (json) => {
    const [, payload = ''] = String(json['id_token']).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const jwk = authorizationServer.signingKeys.find(({ kid }) => kid === 'rsa');
    const key = await importJWK({ ...jwk } as JWK, 'RS256');
    const signer = new SignJWT({ ...claims, at_hash: undefined, ...change });
    const header = { alg: 'RS256', kid: 'rsa' };
    return { ...json, id_token: await signer.setProtectedHeader(header).sign(key) };
  });
}

describe('an upstream that requires a stronger sign-in', () => {
  it.each([
    ['GET', undefined],
    ['POST', 'a body that is sent once'],
  ])('becomes 401 with where to get it (%s)', async (method, body) => {
    await using bff = await startBff({ upstream: challenge });
    const browser = await bff.signedIn();
    const problem = await problemAt(browser, '/api/x', { method, ...(body && { body }) });
    expect(problem).toMatchObject({
      httpStatus: 401,
      type: 'urn:pixie-bff:step_up_required',
      code: 'step_up_required',
      loginUrl: `/bff/login?acr_values=${encodeURIComponent(mfa)}+${encodeURIComponent('urn:test:phr')}&max_age=300`,
    });
    // Neither asked again nor refreshed: another token of the same sign-in is no stronger.
    expect(bff.upstream.requests).toHaveLength(1);
    expect(bff.authorizationServer.tokenRequests('refresh_token')).toEqual([]);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('is content with the sign-in that the address leads to', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn();
    bff.upstream.handler = challenge;
    const { loginUrl = '' } = await problemAt(browser, '/api/x');
    await browser.click(loginUrl);
    const [, request] = bff.authorizationServer.authorizationRequests();
    expect(request?.query.get('acr_values')).toBe(`${mfa} urn:test:phr`);
    expect(request?.query.get('max_age')).toBe('300');
    bff.upstream.handler = respondWith(200, 'enough');
    expect(await (await browser.fetch('/api/x')).text()).toBe('enough');
    const { claims } = (await (await browser.fetch('/bff/user')).json()) as {
      claims: Record<string, unknown>;
    };
    expect(claims['acr']).toBe(mfa);
  });

  it('is handled for a WebSocket in the same way', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn();
    bff.upstream.onUpgrade = (_, socket) => {
      const header = 'WWW-Authenticate: Bearer error=insufficient_user_authentication';
      socket.end(`HTTP/1.1 401 Unauthorized\r\n${header}\r\nContent-Length: 0\r\n\r\n`);
    };
    const opened = openWebSocket(bff, browser);
    expect(await refusalOf(opened)).toEqual([401, 'step_up_required']);
  });

  it('is passed on as it is for signed-out users, and where no token is sent', async () => {
    await using bff = await startBff({
      upstream: challenge,
      routes: (usual) => [
        { ...usual, path: '/maybe', token: 'optional' },
        { ...usual, path: '/open', token: 'none' },
      ],
    });
    const browser = bff.browser();
    for (const path of ['/maybe/x', '/open/x'])
      expect(await (await browser.fetch(path)).text()).toBe('not enough');
    const signedIn = await bff.signedIn();
    expect(await (await signedIn.fetch('/open/x')).text()).toBe('not enough');
    expect(await problemAt(signedIn, '/maybe/x')).toMatchObject({ code: 'step_up_required' });
  });
});

describe('a route that demands a sign-in', () => {
  it('with acr sends its upstream nothing before there is one', async () => {
    await using bff = await startBff({ route: { acr: `urn:test:phr ${mfa}` } });
    const browser = await bff.signedIn();
    const { loginUrl = '', ...problem } = await problemAt(browser, '/api/x');
    expect(problem).toMatchObject({ httpStatus: 401, code: 'step_up_required' });
    expect(loginUrl).toBe(
      `/bff/login?${new URLSearchParams({ acr_values: `urn:test:phr ${mfa}` })}`,
    );
    expect(bff.upstream.requests).toEqual([]);
    // oidc-provider knows nothing of phr here; the second value is as good.
    await browser.click(`/bff/login?acr_values=${mfa}`);
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });

  it('with maxAge accepts a recent one, and requires another after that time', async () => {
    const clock = testClock();
    await using bff = await startBff({ clock: clock.now, route: { maxAge: '5m' } });
    const browser = await bff.signedIn();
    // Nobody asked the provider when the user signed in, so it did not say.
    const { loginUrl = '', ...problem } = await problemAt(browser, '/api/x');
    expect(problem).toMatchObject({ httpStatus: 401, code: 'step_up_required' });
    expect(loginUrl).toBe('/bff/login?max_age=300');
    await browser.click(loginUrl);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    clock.advance(4 * minute);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    clock.advance(2 * minute);
    expect(await problemAt(browser, '/api/x')).toMatchObject({ loginUrl });
    expect(bff.upstream.requests).toHaveLength(2);
  });

  it('judges the session’s own sign-in, although a refreshed ID token is of a later one', async () => {
    const clock = testClock();
    await using bff = await startBff({
      clock: clock.now,
      authorizationServer: { accessTokenSeconds: 60 },
      routes: (usual) => [usual, { ...usual, path: '/recent', maxAge: '5m' }],
    });
    const browser = await bff.signedIn();
    const { loginUrl = '' } = await problemAt(browser, '/recent/x');
    await browser.click(loginUrl);
    clock.advance(6 * minute);
    // The user has signed in again at the provider, for another application.
    changeIdToken(bff, { auth_time: Math.floor(clock.now() / 1000) });
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(bff.authorizationServer.tokenRequests('refresh_token')).toHaveLength(1);
    await expect(whoIs(browser)).resolves.toBe('alice');
    expect(await problemAt(browser, '/recent/x')).toMatchObject({ code: 'step_up_required' });
  });

  it('is 401 not_signed_in for a signed-out user, and a page gets a link to the sign-in', async () => {
    await using bff = await startBff({ route: { acr: mfa, csrf: false } });
    expect(await problemAt(bff.browser(), '/api/x')).toMatchObject({ code: 'not_signed_in' });
    const browser = await bff.signedIn();
    const page = await browser.navigate('/api/x');
    expect([page.status, errorCode(page)]).toEqual([401, 'step_up_required']);
    expect(page.body).toContain(`href="/bff/login?acr_values=${encodeURIComponent(mfa)}"`);
  });
});

describe('a sign-in that came back with less than was requested', () => {
  it.each([
    ['another acr', { acr: 'urn:test:password' }, { acr_values: mfa }],
    ['no acr', { acr: undefined }, { acr_values: mfa }],
    ['an acr that only begins alike', { acr: `${mfa}-not` }, { acr_values: mfa }],
    ['a list of acr', { acr: [mfa] }, { acr_values: mfa }],
    ['an old auth_time', { auth_time: 1_700_000_000 }, { max_age: '300' }],
    ['no auth_time', { auth_time: undefined }, { max_age: '300' }],
    ['an auth_time in words', { auth_time: 'now' }, { max_age: '300' }],
  ])('is refused: %s', async (_, change, header) => {
    await using bff = await startBff();
    const browser = await bff.signedIn();
    changeIdToken(bff, change);
    const page = await bff.signIn(browser, header as unknown as Record<string, string>);
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    // Whoever was signed in stays so, as weakly as before.
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('is no failure of ours when the provider says it itself', async () => {
    await using bff = await startBff();
    bff.authorizationServer.interaction = () => ({ error: 'unmet_authentication_requirements' });
    const page = await bff.signIn(bff.browser(), { acr_values: mfa });
    expect([page.status, errorCode(page)]).toEqual([403, 'login_denied']);
  });
});
