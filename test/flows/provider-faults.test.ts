import {
  respondWith,
  hang,
  hangUp,
  slowly,
  passOn,
  type Handler,
} from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { refreshCount, startWithExpiredTokens } from '../support/bff/expired-tokens.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { testClock } from '../support/time/clock.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { beginLogin, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

const second = 1000;
const hour = 3600 * second;

/** Longer than the longest pause after a failure. */
const longPause = 31 * second;

const outage = [503, 'provider_unavailable'];

const call = (browser: TestBrowser) => browser.fetch('/api/x');
const codeOf = async (response: Response) => ((await response.json()) as { code?: string }).code;

/** What it comes to, and that it did not take as long as somebody would wait. */
async function soon<T>(work: Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work;
  expect(performance.now() - began).toBeLessThan(2 * second);
  return result;
}

async function readiness(
  bff: TestBff,
): Promise<{ status: string; checks: Record<string, object> }> {
  const response = await soon(fetch(`${bff.managementUrl}/readyz`));
  expect(response.status).toBe(200);
  return (await response.json()) as { status: string; checks: Record<string, object> };
}

/** Takes what is asked, and lets the real server answer when it wakes. */
function sleeping(): { readonly handler: Handler; wake(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { handler: () => promise.then(() => 'continue'), wake: resolve };
}

/** What may become of a whole provider; `break` gives back how to mend it. */
const faults: readonly (readonly [string, (bff: TestBff) => Promise<() => unknown>])[] = [
  [
    'is down',
    async ({ authorizationServer }) => {
      await authorizationServer.goDown();
      return () => authorizationServer.comeBack();
    },
  ],
  ...(
    [
      ['hangs', hang()],
      ['hangs up', hangUp()],
      ['answers 500', respondWith(500, { error: 'server_error' })],
      ['answers 429', respondWith(429, { error: 'slow_down' })],
      ['answers HTML', respondWith(200, '<!doctype html>', { 'content-type': 'text/html' })],
      ['answers half a JSON', respondWith(200, '{"a":', { 'content-type': 'application/json' })],
    ] as const
  ).map(
    ([name, handler]) =>
      [
        name,
        async ({ authorizationServer }: TestBff) => {
          authorizationServer.override('*', handler);
          return () => authorizationServer.override('*', undefined);
        },
      ] as const,
  ),
];

describe.each(faults)('while a provider %s', (_, fail) => {
  it('signing in is 503 at once, and works as soon as it is back', async () => {
    const clock = testClock();
    await using bff = await startBff({ clock: clock.now, store: 'memory' });
    const restore = await fail(bff);
    const browser = bff.browser();
    const { page } = await soon(beginLogin(bff, browser));
    expect([page.status, errorCode(page)]).toEqual(outage);
    expect(page.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(page.history[0]?.setCookie).toEqual([]);
    await restore();
    clock.advance(second);
    await bff.signedIn('alice', browser);
  });

  it('users stay signed in, calls that need it are 503 in time, and all is well afterwards', async () => {
    await using setup = await startWithExpiredTokens(['alice'], { provider: { timeout: '3s' } });
    const { bff, browser, clock } = setup;
    const cookie = browser.cookieHeader();
    const restore = await fail(bff);

    const failed = await soon(call(browser));
    expect([failed.status, await codeOf(failed)]).toEqual(outage);
    expect(failed.headers.get('retry-after')).toMatch(/^[12]$/);
    expect(failed.headers.get('set-cookie')).toBeNull();
    await expect(soon(whoIs(browser))).resolves.toBe('alice');
    expect(await readiness(bff)).toMatchObject({
      status: 'degraded',
      checks: { 'provider:corp': { status: 'unavailable', reason: expect.any(String) } },
    });
    expect((await fetch(`${bff.managementUrl}/livez`)).status).toBe(200);
    expect(bff.upstream.requests).toEqual([]);

    await restore();
    await waitFor(async () => {
      clock.advance(longPause);
      return (await call(browser)).status === 200;
    });
    expect(browser.cookieHeader()).toBe(cookie);
    expect((await readiness(bff)).status).toBe('ok');
  });
});

describe('a provider that hangs', () => {
  it('keeps no sign-in waiting that comes back, whether it was known before or not', async () => {
    await using bff = await startBff();
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const replica = await bff.replica();
    bff.authorizationServer.override('*', hang());
    const viaReplica = browser.via(replica.port);
    const unknown = await soon(visitCallback(replica, viaReplica, callback));
    expect([unknown.status, errorCode(unknown)]).toEqual(outage);
    expect(bff.authorizationServer.tokenRequests()).toEqual([]);
    const known = await soon(visitCallback(bff, browser.via(bff.port), callback));
    expect([known.status, errorCode(known)]).toEqual(outage);
    expect(bff.authorizationServer.tokenRequests()).toHaveLength(1);
  });

  it('keeps no sign-in waiting whose request is pushed', async () => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { par: 'required' },
    });
    await bff.signedIn();
    bff.authorizationServer.override('*', hang());
    const { page } = await soon(beginLogin(bff, bff.browser()));
    expect([page.status, errorCode(page)]).toEqual(outage);
  });

  it.each(['userinfo', 'jwks'] as const)('after a good start, at its %s', async (endpoint) => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { claimsInIdToken: false },
    });
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    bff.authorizationServer.override(endpoint, hang());
    bff.authorizationServer.override('discovery', hang());
    const page = await soon(visitCallback(bff, browser, callback));
    expect([page.status, errorCode(page)]).toEqual(outage);
  });

  it('keeps no call waiting on any replica, and its late responses are not lost', async () => {
    await using setup = await startWithExpiredTokens(['alice']);
    const { bff, browser } = setup;
    const replica = await bff.replica();
    const other = { cookie: browser.cookieHeader(), 'x-csrf': '1' };
    const { handler, wake } = sleeping();
    bff.authorizationServer.override('*', handler);
    const responses = await soon(
      Promise.all([
        ...Array.from({ length: 10 }, () => call(browser)),
        ...Array.from({ length: 10 }, () =>
          fetch(`http://127.0.0.1:${replica.port}/api/x`, { headers: other }),
        ),
      ]),
    );
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([503]));
    expect(refreshCount(bff)).toBe(1);

    wake();
    await waitFor(async () => (await call(browser)).status === 200);
    expect(refreshCount(bff)).toBe(1);
  });

  it('gets one liveness probe at a time, however many requests wait', async () => {
    const people = ['alice', 'bob'];
    await using setup = await startWithExpiredTokens(people);
    const { bff, browsers } = setup;
    bff.authorizationServer.override('*', hang());
    bff.authorizationServer.requests.length = 0;
    await soon(Promise.all(browsers.flatMap((browser) => [call(browser), call(browser)])));
    expect(bff.authorizationServer.requestsTo('discovery')).toHaveLength(1);
  });
});

describe('a provider that is slow', () => {
  it('but alive is waited for: all calls on all replicas succeed with one token request', async () => {
    await using setup = await startWithExpiredTokens(['alice']);
    const { bff, browser } = setup;
    const replicas = [bff, await bff.replica()];
    bff.authorizationServer.override('token', slowly(5 * second, passOn()));
    const headers = { cookie: browser.cookieHeader(), 'x-csrf': '1' };
    const began = performance.now();
    const responses = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        fetch(`http://127.0.0.1:${replicas[n % 2]?.port}/api/x`, { headers }),
      ),
    );
    expect(responses.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(performance.now() - began).toBeGreaterThan(4.9 * second);
    expect(refreshCount(bff)).toBe(1);
  });

  it('but alive is waited for by a sign-in, also when its discovery only says 500', async () => {
    await using bff = await startBff({ store: 'memory' });
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    bff.authorizationServer.override('discovery', respondWith(500));
    bff.authorizationServer.override('token', slowly(2.5 * second, passOn()));
    expect((await visitCallback(bff, browser, callback)).status).toBe(302);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('and then hangs is given up', async () => {
    await using setup = await startWithExpiredTokens(['alice']);
    const { bff, browser } = setup;
    bff.authorizationServer.override('token', hang());
    const waiting = call(browser);
    await waitFor(() => bff.authorizationServer.requestsTo('discovery').length === 2);
    bff.authorizationServer.override('discovery', hang());
    const failed = await soon(waiting);
    expect([failed.status, await codeOf(failed)]).toEqual(outage);
  });
});

describe('a provider whose keys cannot be fetched', () => {
  it.each<readonly [string, Handler]>([
    ['because they are 503', respondWith(503)],
    ['because the connection ends', hangUp()],
    ['because nothing comes', hang()],
    ['because it is a page that comes', respondWith(200, '<html>')],
    ['because they are not there any more', respondWith(404, { error: 'not_found' })],
  ])('%s signs people in with those it had', async (_, handler) => {
    const clock = testClock();
    await using bff = await startBff({
      clock: clock.now,
      authorizationServer: { accessTokenSeconds: 60 },
    });
    // The authorization server's cookies are by the real time.
    const signedIn = () => bff.signedIn('alice', bff.browser({ now: Date.now }));
    await signedIn();
    bff.authorizationServer.override('jwks', handler);
    const keyRequests = () => bff.authorizationServer.requestsTo('jwks').length;
    expect(keyRequests()).toBe(1);
    // News of the metadata make openid-client ask for the keys again.
    clock.advance(hour);
    const browser = await waitFor(async () => {
      const someone = await soon(signedIn());
      return keyRequests() === 2 && someone;
    });
    await expect(whoIs(browser)).resolves.toBe('alice');
    clock.advance(61 * second);
    expect((await soon(call(browser))).status).toBe(200);
  });
});

describe('pauses after an outage', () => {
  it('are for all sessions of the provider: it gets one request, and one after each of them', async () => {
    await using setup = await startWithExpiredTokens(['alice', 'bob', 'alice', 'bob', 'alice']);
    const { bff, browsers, clock } = setup;
    bff.authorizationServer.override('token', respondWith(503, ''));
    expect((await call(browsers[0] as TestBrowser)).status).toBe(503);
    const sent = () => refreshCount(bff);
    const all = () => Promise.all(browsers.map(call));
    expect((await all()).map(({ status }) => status)).toEqual(Array(5).fill(503));
    expect(sent()).toBe(1);

    // 1, 2, 4, 8, 16 and then 30 seconds.
    for (const [index, length] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      const [first] = await all();
      expect(first?.headers.get('retry-after')).toBe(String(length));
      expect(sent()).toBe(index + 1);
      clock.advance(length * second);
      expect((await all()).map(({ status }) => status)).toEqual(Array(5).fill(503));
      expect(sent()).toBe(index + 2);
    }
    bff.authorizationServer.override('token', undefined);
    clock.advance(30 * second);
    expect((await all()).map(({ status }) => status)).toEqual(Array(5).fill(200));
  });

  it('end with the first success', async () => {
    await using setup = await startWithExpiredTokens(['alice']);
    const { bff, browser, clock } = setup;
    for (let round = 0; round < 3; round += 1) {
      bff.authorizationServer.override('token', respondWith(503, ''));
      expect((await call(browser)).headers.get('retry-after')).toBe('1');
      bff.authorizationServer.override('token', undefined);
      clock.advance(second);
      expect((await call(browser)).status).toBe(200);
      clock.advance(61 * second);
    }
  });

  it.each([
    [429, '7', 7],
    [503, '300', 300],
    [503, '301', 1],
    [503, '0', 1],
    [503, 'soon', 1],
    [503, 'Fri, 31 Dec 2999 23:59:59 GMT', 1],
    [500, '60', 1],
  ])('are as long as a %i with Retry-After: %s requests', async (status, retryAfter, length) => {
    await using setup = await startWithExpiredTokens(['alice', 'bob']);
    const { bff, browsers, clock } = setup;
    const [alice, bob] = browsers as [TestBrowser, TestBrowser];
    bff.authorizationServer.override(
      'token',
      respondWith(status, '', { 'retry-after': retryAfter }),
    );
    expect((await call(alice)).headers.get('retry-after')).toBe(String(length));
    clock.advance((length - 0.5) * second);
    const failed = await call(bob);
    expect([failed.status, failed.headers.get('retry-after')]).toEqual([503, '1']);
    bff.authorizationServer.override('token', undefined);
    expect((await call(bob)).status).toBe(503);
    clock.advance(0.5 * second);
    expect((await call(bob)).status).toBe(200);
  });

  it.each<readonly [string, Handler]>([
    ['is refused', respondWith(400, { error: 'invalid_request' })],
    ['gets an empty object', respondWith(200, {})],
    ['gets a page', respondWith(200, '<html>', { 'content-type': 'text/html' })],
    ['gets a token of another type', respondWith(200, { access_token: 'a', token_type: 'mac' })],
  ])('are for one session alone that %s', async (_, handler) => {
    await using setup = await startWithExpiredTokens(['alice', 'bob']);
    const { bff, browsers, clock } = setup;
    const [alice, bob] = browsers as [TestBrowser, TestBrowser];
    bff.authorizationServer.override('token', handler);
    const failed = await call(alice);
    expect([failed.status, await codeOf(failed)]).toEqual(outage);
    expect(failed.headers.get('retry-after')).toBe('1');
    bff.authorizationServer.override('token', undefined);
    expect((await call(bob)).status).toBe(200);
    expect((await call(alice)).status).toBe(503);
    clock.advance(second);
    expect((await call(alice)).status).toBe(200);
  });

  it('are for all users when the BFF’s credentials are refused', async () => {
    await using setup = await startWithExpiredTokens(['alice', 'bob']);
    const { bff, browsers } = setup;
    bff.authorizationServer.override('token', respondWith(401, { error: 'invalid_client' }));
    const responses = [await call(browsers[0] as TestBrowser), await call(browsers[1] as never)];
    expect(responses.map(({ status }) => status)).toEqual([503, 503]);
    expect(refreshCount(bff)).toBe(1);
  });

  it('let the others wait for the one that tries, not fail', async () => {
    await using setup = await startWithExpiredTokens(['alice', 'bob', 'alice', 'bob']);
    const { bff, browsers, clock } = setup;
    bff.authorizationServer.override('token', respondWith(503, ''));
    await call(browsers[0] as TestBrowser);
    const { handler, wake } = sleeping();
    bff.authorizationServer.override('token', handler);
    clock.advance(second);
    const calls = browsers.map(call);
    await waitFor(() => refreshCount(bff) === 2);
    wake();
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(Array(4).fill(200));
    expect(refreshCount(bff)).toBe(5);
  });
});
