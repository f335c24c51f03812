import {
  respondWith,
  download,
  hang,
  hangUp,
  inTurn,
  passOn,
  redirectTo,
  type Handler,
} from '../support/upstream/responses.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import { testClock } from '../support/time/clock.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { asProgram, beginLogin, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

const rejections: unknown[] = [];
const note = (reason: unknown) => void rejections.push(reason);
beforeAll(() => void process.on('unhandledRejection', note));
afterAll(() => void process.off('unhandledRejection', note));

/** UserInfo is asked, and nothing takes longer than half a second. */
const shortTimeouts: BffOverrides = {
  provider: { timeout: '900ms', maxResponse: '20kb' },
  authorizationServer: { claimsInIdToken: false },
};

const json = { 'content-type': 'application/json' };

/** What "not now" looks like, wherever it comes from. */
const outages: readonly (readonly [string, Handler])[] = [
  ['hangs up', hangUp()],
  ['answers 500', respondWith(500, { error: 'server_error' })],
  ['answers 502 with HTML', respondWith(502, '<h1>Bad gateway</h1>')],
  ['answers 503', respondWith(503, { error: 'temporarily_unavailable' }, { 'retry-after': '60' })],
  ['answers 429', respondWith(429, { error: 'slow_down' })],
  ['answers HTML', respondWith(200, '<!doctype html>', { 'content-type': 'text/html' })],
  ['answers nothing', respondWith(200)],
  ['answers half of it', respondWith(200, '{"issuer":"', json)],
  ['answers too much', respondWith(200, JSON.stringify('x'.repeat(30_000)), json)],
  ['never stops', download(1e12, json)],
  ['hangs', hang()],
  ['hangs half-way', (_request, response) => void response.writeHead(200, json).write('{')],
  ['redirects', redirectTo('https://evil.example/', 307)],
];

/** What is an answer, but not one that signs anybody in. */
const refusals: readonly (readonly [string, Handler])[] = [
  ['refuses', respondWith(400, { error: 'invalid_request', error_description: '<b>canary</b>' })],
  ['answers an empty object', respondWith(200, {})],
  ['answers a list', respondWith(200, '[]', json)],
  ['answers null', respondWith(200, 'null', json)],
  ['is not there', respondWith(404, { error: 'not_found' })],
];

async function expectSignedOut(bff: TestBff, browser = bff.browser()): Promise<void> {
  await expect(whoIs(browser)).resolves.toBeUndefined();
  expect((await bff.redis.dump()).size).toBe(0);
}

describe('a provider whose discovery', () => {
  it.each(outages)(
    '%s makes a login 503, and works again as soon as it does',
    async (_, handler) => {
      const clock = testClock();
      await using bff = await startBff({ ...shortTimeouts, clock: clock.now });
      bff.authorizationServer.override('discovery', handler);
      const browser = bff.browser();
      const { page } = await beginLogin(bff, browser);
      expect([page.status, errorCode(page)]).toEqual([503, 'provider_unavailable']);
      expect(page.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(page.history[0]?.setCookie).toEqual([]);
      await expectSignedOut(bff);

      bff.authorizationServer.override('discovery', undefined);
      clock.advance(1000);
      await bff.signedIn('alice', browser);
    },
  );

  it.each([
    ...refusals.filter(([name]) => name !== 'is not there'),
    [
      'names another issuer',
      respondWith(200, {
        issuer: 'https://evil.example',
        authorization_endpoint: 'https://evil.example/',
      }),
    ],
  ] as const)('%s makes a login 502', async (_, handler) => {
    await using bff = await startBff(shortTimeouts);
    bff.authorizationServer.override('discovery', handler);
    const page = await bff
      .browser()
      .navigate('/bff/login', { redirect: 'manual', headers: asProgram });
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    expect(page.body).not.toContain('canary');
    await expectSignedOut(bff);
  });
});

describe('a provider whose keys', () => {
  it.each([
    ...outages.map((row) => [...row, 503, 'provider_unavailable'] as const),
    ...refusals.map((row) => [...row, 502, 'login_failed'] as const),
  ])(
    'are requested, which %s, does not sign in, and leaves nothing behind',
    async (_, handler, status, code) => {
      const clock = testClock();
      await using bff = await startBff({ ...shortTimeouts, clock: clock.now });
      bff.authorizationServer.override('jwks', handler);
      const browser = bff.browser();
      const began = performance.now();
      const page = await bff.signIn(browser);
      expect(performance.now() - began).toBeLessThan(2500);
      expect([page.status, errorCode(page)]).toEqual([status, code]);
      expect(page.headers.get('retry-after') !== null).toBe(status === 503);
      expect(page.body).not.toContain('canary');
      expect(bff.authorizationServer.requestsTo('jwks')).toHaveLength(1);
      await expectSignedOut(bff, browser);

      bff.authorizationServer.override('jwks', undefined);
      clock.advance(1000);
      await bff.signedIn('alice', browser);
    },
  );
});

describe('a provider that is down', () => {
  it('does not keep the BFF from starting, and is found when it comes', async () => {
    const clock = testClock();
    await using bff = await startBff({ clock: clock.now, store: 'memory' });
    await bff.stop();
    await bff.authorizationServer.goDown();
    await bff.start();
    const browser = bff.browser();
    expect((await browser.fetch('/bff/user')).status).toBe(401);
    const { page } = await beginLogin(bff, browser);
    expect([page.status, errorCode(page)]).toEqual([503, 'provider_unavailable']);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    await bff.authorizationServer.comeBack();
    clock.advance(1000);
    await bff.signedIn('alice', browser);
  });

  it('changes nothing for those who are signed in', async () => {
    await using bff = await startBff({ store: 'memory' });
    const browser = await bff.signedIn();
    await bff.authorizationServer.goDown();
    await expect(whoIs(browser)).resolves.toBe('alice');
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });

  it('while a sign-in comes back leaves its state good, as long as no request was sent', async () => {
    const clock = testClock();
    await using bff = await startBff({ clock: clock.now });
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    await bff.stop();
    await bff.start();
    await bff.authorizationServer.goDown();
    const failed = await waitFor(() => visitCallback(bff, browser, callback));
    expect([failed.status, errorCode(failed)]).toEqual([503, 'provider_unavailable']);
    await bff.authorizationServer.comeBack();
    clock.advance(1000);
    expect((await visitCallback(bff, browser, callback)).status).toBe(302);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('does not change the response to a callback without a pending login', async () => {
    await using bff = await startBff({ store: 'memory' });
    await bff.authorizationServer.goDown();
    const page = await bff
      .browser()
      .navigate('/bff/callback?code=x&state=y', { redirect: 'manual' });
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
  });

  it('once gets one request: nothing is sent twice that could be spent twice', async () => {
    await using bff = await startBff({ store: 'memory' });
    bff.authorizationServer.override('token', inTurn(hangUp(), passOn()));
    const page = await bff.signIn(bff.browser());
    expect([page.status, errorCode(page)]).toEqual([503, 'provider_unavailable']);
    expect(bff.authorizationServer.tokenRequests()).toHaveLength(1);
  });
});

describe('whatever a provider did above', () => {
  it('left no promise unattended, which would have ended a server', async () => {
    await new Promise((resolve) => setImmediate(resolve));
    expect(rejections).toEqual([]);
  });
});
