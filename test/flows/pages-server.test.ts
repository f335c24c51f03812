import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { withoutFetchMetadata } from '../support/browser/navigations.ts';
import { startNetwork } from '../support/redis/network.ts';
import { startRedis } from '../support/redis/server.ts';
import { acceptWebSockets, openWebSocket, refusalOf } from '../support/network/web-sockets.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { errorCode } from './steps.ts';

const index = '<!doctype html><title>Shop</title>';

describe('a frontend on another server behind the sign-in', () => {
  let bff: TestBff;
  let web: Upstream;
  let alice: TestBrowser;

  beforeAll(async () => {
    web = await startUpstream();
    bff = await startBff({
      store: 'memory',
      session: { sameSite: 'lax' },
      frontend: { url: web.url, signIn: 'required', public: ['/assets'] },
      errorUrl: '/signin-error',
    });
    alice = await bff.signedIn();
  });

  afterAll(async () => {
    await bff.close();
    await web.close();
  });

  beforeEach(() => {
    web.handler = respondWith(200, index, { 'content-type': 'text/html' });
    web.requests.length = 0;
  });

  it('signs in who goes to a page, and comes back to it', async () => {
    const page = await bff.browser().navigate('/orders?x=1');
    expect([page.url, page.body]).toEqual([`${bff.url}/orders?x=1`, index]);
    expect(page.history[0]?.location).toBe('/bff/login?returnUrl=%2Forders%3Fx%3D1');
    expect(web.requests).toHaveLength(1);
  });

  it.each(['/', '/orders', '/@vite/client', '/src/main.ts?t=1', '/assetsx', '/%61ssetsx', '/.x'])(
    'asks it nothing for who is signed out: %s',
    async (path) => {
      for (const headers of [{}, withoutFetchMetadata]) {
        const page = await bff.browser().navigate(path, { headers, redirect: 'manual' });
        expect(page.status).toBe(302);
        expect(page.headers.get('cache-control')).toBe('no-store');
      }
      for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
        const response = await bff.browser().fetch(path, { method });
        expect(response.status).toBe(401);
      }
      const headers = { 'sec-purpose': 'prefetch', 'if-none-match': '*' };
      const prefetch = await bff.browser().navigate(path, { headers, redirect: 'manual' });
      expect([prefetch.status, errorCode(prefetch)]).toEqual([401, 'not_signed_in']);
      expect(web.requests).toEqual([]);
    },
  );

  it('sends it no token and no cookie of ours', async () => {
    expect((await alice.navigate('/orders')).body).toBe(index);
    expect(web.last.headers).not.toHaveProperty('authorization');
    expect(web.last.headers.cookie ?? '').not.toContain('bff');
    await alice.fetch('/x', { method: 'POST', csrf: false });
    expect(web.last.method).toBe('POST');
  });

  it.each<[string, Record<string, string>, string]>([
    ['none', {}, 'private, no-cache'],
    ['for everyone', { 'cache-control': 'public, max-age=60' }, 'private, max-age=60'],
    ['for shared caches', { 'cache-control': 's-maxage=60, Public' }, 'private'],
    [
      'for some fields',
      { 'cache-control': 'private="set-cookie", max-age=1' },
      'private, max-age=1',
    ],
    ['a strict one', { 'cache-control': 'no-store' }, 'no-store'],
    ['a private one', { 'cache-control': 'private, max-age=9' }, 'private, max-age=9'],
    ['one for a CDN', { 'cdn-cache-control': 'max-age=60' }, 'private, no-cache'],
  ])('lets no shared cache keep its pages, whatever its rule: %s', async (_, headers, expected) => {
    web.handler = respondWith(200, index, { ...headers, vary: 'Accept' });
    const response = await alice.fetch('/');
    expect(response.headers.get('cache-control')).toBe(expected);
    expect(response.headers.get('cdn-cache-control')).toBeNull();
    expect(response.headers.get('vary')).toBe('Accept, Cookie');
  });

  it('has public paths for everyone, with its own rules for caches', async () => {
    web.handler = respondWith(200, 'x', { 'cache-control': 'public, max-age=60' });
    for (const path of ['/assets', '/assets/x.js', '/%61ssets/x.js', '/signin-error?code=x']) {
      const response = await bff.browser().fetch(path);
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toBe('public, max-age=60');
      expect(response.headers.get('vary')).toBeNull();
    }
    expect((await bff.browser().fetch('/signin-error/x')).status).toBe(401);
  });

  it('opens WebSockets for who is signed in, until that ends', async () => {
    const sockets = acceptWebSockets(web);
    expect(await refusalOf(openWebSocket(bff, undefined, { path: '/hmr' }))).toEqual([
      401,
      'not_signed_in',
    ]);
    const foreign = { path: '/hmr', origin: 'https://elsewhere.example' };
    expect(await refusalOf(openWebSocket(bff, alice, foreign))).toEqual([403, 'csrf']);
    expect(web.requests).toEqual([]);
    const bob = await bff.signedIn('bob');
    const peer = await openWebSocket(bff, bob, { path: '/hmr' });
    await sockets.next();
    await bob.fetch('/bff/logout', { method: 'POST' });
    expect((await peer.ended).code).toBe(4401);
    const everyone = await openWebSocket(bff, undefined, { path: '/assets/hmr' });
    everyone.socket.terminate();
  });

  it('is refused odd paths before anything else', async () => {
    for (const path of ['/assets/..%2fx', '/assets/%252e%252e/x', '/a%5cb'])
      expect((await bff.browser().fetch(path)).status).toBe(400);
    expect(web.requests).toEqual([]);
  });
});

it('while Redis is down, a frontend on another server is 503, and is asked nothing', async () => {
  const redis = await startRedis();
  const network = await startNetwork(redis.port);
  const web = await startUpstream();
  const bff = await startBff({
    redis: { url: network.url },
    frontend: { url: web.url, signIn: 'required' },
    session: { sameSite: 'lax' },
  });
  const alice = await bff.signedIn();
  web.requests.length = 0;
  // A replica that does not remember the session.
  const replica = await bff.replica();
  alice.via(replica.port);
  await network.refuse();
  const page = await alice.navigate('/', { redirect: 'manual' });
  expect([page.status, errorCode(page)]).toEqual([503, 'session_store_unavailable']);
  expect(web.requests).toEqual([]);
  await network.restore();
  await bff.close();
  await web.close();
  network.close();
  await redis.stop();
});
