import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { refuseCookies, withoutFetchMetadata } from '../support/browser/navigations.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { startNetwork } from '../support/redis/network.ts';
import { startRedis } from '../support/redis/server.ts';
import { errorCode } from './steps.ts';

const secret = 'only for those who are signed in';
const index = `<!doctype html><title>Shop</title><p>${secret}</p>`;

const directory = mkdtempSync(join(tmpdir(), 'pages-'));

function put(name: string, content: string | Buffer): void {
  const file = join(directory, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

beforeAll(() => {
  put('index.html', index);
  put('index.html.br', brotliCompressSync(index));
  put('index.html.gz', gzipSync(index));
  put('about.html', secret);
  put('app-4f3a9c21.js', secret);
  put('robots.txt', 'User-agent: *');
  put('assets/logo-4f3a9c21.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
  put('assetsx/x.txt', secret);
});

afterAll(() => rmSync(directory, { recursive: true }));

describe('a built frontend behind the sign-in', () => {
  let bff: TestBff;
  let alice: TestBrowser;

  beforeAll(async () => {
    bff = await startBff({
      store: 'memory',
      session: { sameSite: 'lax' },
      frontend: { directory, signIn: 'required', public: ['/robots.txt', '/assets'] },
      errorUrl: '/signin-error?from=bff',
    });
    alice = await bff.signedIn();
  });

  afterAll(() => bff.close());

  const visit = (path: string, headers = {}, browser = bff.browser()) =>
    browser.navigate(path, { redirect: 'manual', headers });

  it('signs in who goes to a page, and comes back to it', async () => {
    const browser = bff.browser();
    const page = await browser.navigate('/orders/42?tab=a%20b&x=%26');
    expect([page.status, page.body]).toEqual([200, index]);
    expect(page.url).toBe(`${bff.url}/orders/42?tab=a%20b&x=%26`);
    const [first] = page.history;
    expect(first?.location).toBe(
      `/bff/login?${new URLSearchParams({ returnUrl: '/orders/42?tab=a%20b&x=%26' })}`,
    );
    expect(first?.setCookie).toEqual([]);
  });

  it('redirects without a body, and nothing stores the redirect', async () => {
    const page = await visit('/');
    expect([page.status, page.body]).toEqual([302, '']);
    expect(page.headers.get('location')).toBe('/bff/login?returnUrl=%2F');
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('etag')).toBeNull();
  });

  it.each([
    '/',
    '/index.html',
    '/index',
    '/%69ndex.html',
    '/index.html/',
    '/INDEX.HTML',
    '/index.html.br',
    '/index.html.gz',
    '/about',
    '/about.html',
    '/about/',
    '/orders/42',
    '/assetsx/x.txt',
    '/Assets/logo-4f3a9c21.svg',
    '/robots.txt.html',
    '/signin-error/',
    '/signin-error/x',
    '/signin-error.html',
    '/app-4f3a9c21.js',
    '/nowhere.js',
  ])('is not delivered at %s to who is signed out', async (path) => {
    for (const headers of [{}, withoutFetchMetadata, { range: 'bytes=0-5' }]) {
      const page = await visit(path, headers);
      expect(page.status).toBe(302);
      expect(page.headers.get('location')).toContain('/bff/login?returnUrl=');
    }
    for (const method of ['GET', 'HEAD', 'POST']) {
      const response = await bff.browser().fetch(path, { method });
      expect(response.status).toBe(401);
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
    const problem = await (await bff.browser().fetch(path)).json();
    expect(problem).toMatchObject({ code: 'not_signed_in', loginUrl: '/bff/login' });
  });

  it.each(['/assets', '/assets/', '/assets/missing', '/assets/index.html', '/robots.txt/x'])(
    'has no file at the public path %s, and its page only for who is signed in',
    async (path) => {
      for (const headers of [{}, withoutFetchMetadata]) {
        const page = await visit(path, headers);
        expect(page.status).toBe(302);
        expect(page.headers.get('location')).toContain('/bff/login?returnUrl=');
      }
      const [missing, posted] = [
        await bff.browser().fetch(path),
        await bff.browser().fetch(path, { method: 'POST' }),
      ];
      expect([missing.status, errorCode({ body: await missing.text() })]).toEqual([
        404,
        'not_found',
      ]);
      expect([posted.status, errorCode({ body: await posted.text() })]).toEqual([
        405,
        'method_not_allowed',
      ]);
    },
  );

  it.each([
    '/assets/../index.html',
    '/assets/%2e%2e/index.html',
    '/assets/..%2findex.html',
    '/assets/..;/index.html',
    '/assets%2f..%2findex.html',
    '/assets/%252e%252e/index.html',
    '/assets\\..\\index.html',
    '/assets//../index.html',
    '//index.html',
    '/robots.txt/..',
    '/robots.txt%00/../index.html',
    '/signin-error/../index.html',
    'http://localhost/index.html',
  ])('is not delivered by the detour %s', async (path) => {
    const bytes = `GET ${path} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n`;
    const { statuses, text } = await rawRequest(bff.port, bytes);
    expect(statuses).toEqual([400]);
    expect(text).not.toContain(secret);
  });

  it.each<[string, Record<string, string | null>]>([
    ['a prefetch', { 'sec-purpose': 'prefetch' }],
    ['a prerender', { 'sec-purpose': 'prefetch;prerender' }],
    ['an old prefetch', { purpose: 'prefetch' }],
    ['Mozilla’s old prefetch', { 'x-moz': 'prefetch' }],
    ['an old browser’s prefetch', { ...withoutFetchMetadata, purpose: 'prefetch' }],
    ['a frame', { 'sec-fetch-dest': 'iframe' }],
    ['half of the headers', { 'sec-fetch-dest': null }],
    ['an old browser’s image', { ...withoutFetchMetadata, accept: 'image/*' }],
    ['a program', { ...withoutFetchMetadata, accept: null }],
  ])('does not begin a sign-in for %s', async (_what, headers) => {
    const page = await visit('/', headers);
    expect([page.status, errorCode(page)]).toEqual([401, 'not_signed_in']);
    expect(page.headers.get('location')).toBeNull();
    expect(page.headers.getSetCookie()).toEqual([]);
  });

  it('is as new to who is signed out as to a browser that has it', async () => {
    const etag = (await alice.fetch('/app-4f3a9c21.js')).headers.get('etag') ?? '';
    for (const condition of [etag, '*']) {
      const headers = { 'if-none-match': condition };
      expect((await alice.fetch('/app-4f3a9c21.js', { headers })).status).toBe(304);
      expect((await bff.browser().fetch('/app-4f3a9c21.js', { headers })).status).toBe(401);
      expect((await visit('/', headers)).status).toBe(302);
    }
  });

  it('is there for who is signed in, and for no shared cache', async () => {
    const page = await visit('/orders', {}, alice);
    expect([page.status, page.body]).toEqual([200, index]);
    expect(page.headers.get('cache-control')).toBe('private, no-cache');
    expect(page.headers.get('vary')).toBe('Accept-Encoding, Cookie');
    const script = await alice.fetch('/app-4f3a9c21.js');
    expect([script.status, await script.text()]).toEqual([200, secret]);
    expect(script.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
    expect((await alice.fetch('/', { method: 'POST' })).status).toBe(405);
    expect((await alice.fetch('/nowhere.js')).status).toBe(404);
    expect((await visit('/assets/missing', {}, alice)).body).toBe(index);
  });

  it('is there for a link on another site, too', async () => {
    const page = await alice.navigate('/orders', { from: 'https://elsewhere.example/' });
    expect([page.status, page.body]).toEqual([200, index]);
  });

  it('has public files for everyone', async () => {
    const robots = await bff.browser().fetch('/robots.txt');
    expect([robots.status, await robots.text()]).toEqual([200, 'User-agent: *']);
    const logo = await bff.browser().fetch('/assets/logo-4f3a9c21.svg');
    expect(logo.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(logo.headers.get('vary')).toBe('Accept-Encoding');
    expect((await bff.browser().fetch('/robots.txt', { method: 'POST' })).status).toBe(405);
  });

  it('shows the page of errorUrl to everyone, and no sign-in begins there', async () => {
    bff.authorizationServer.interaction = 'deny';
    const page = await bff.browser().navigate('/orders');
    bff.authorizationServer.interaction = 'sign-in';
    expect(page.url).toBe(`${bff.url}/signin-error?from=bff&code=login_denied`);
    expect([page.status, page.body]).toEqual([200, index]);
    expect((await bff.browser().fetch('/signin-error')).status).toBe(404);
  });

  it.each([
    ['too long', `/${'x'.repeat(2048)}`, '/'],
    ['as long as allowed', `/${'x'.repeat(2047)}`, `/${'x'.repeat(2047)}`],
    ['one that a sign-in would refuse', '/search?q=a%0Ab', '/'],
    ['one with a backslash in its query', '/search?q=a%5Cb', '/'],
    ['one that names a host in its query', '/?next=//evil.example', '/?next=//evil.example'],
  ])('an address that is %s comes back to the right place', async (_what, path, returnUrl) => {
    const page = await visit(path);
    const location = new URL(page.headers.get('location') ?? '', bff.url);
    expect(location.searchParams.get('returnUrl')).toBe(returnUrl);
    expect((await visit(location.href)).headers.get('location')).toContain(
      bff.authorizationServer.issuer,
    );
  });

  it('asks for a sign-in again when the session has ended', async () => {
    const browser = await bff.signedIn();
    expect((await visit('/', {}, browser)).status).toBe(200);
    await browser.fetch('/bff/logout', { method: 'POST' });
    expect((await visit('/', {}, browser)).status).toBe(302);
  });

  it('ends with a page, not in circles, for a browser without cookies', async () => {
    const browser = bff.browser();
    refuseCookies(browser, bff.url);
    const page = await browser.navigate('/orders');
    expect(page.url).toMatch(/\/signin-error\?from=bff&code=login_expired$/);
  });
});

it('while Redis is down, is 503 for who may be signed in, and never the page', async () => {
  const redis = await startRedis();
  const network = await startNetwork(redis.port);
  const frontend = { directory, signIn: 'required' } as const;
  const session = { sameSite: 'lax' } as const;
  const bff = await startBff({ redis: { url: network.url }, frontend, session });
  const alice = await bff.signedIn();
  // A replica that does not remember the session.
  const replica = await bff.replica();
  alice.via(replica.port);
  await network.refuse();
  for (const headers of [{}, withoutFetchMetadata]) {
    const page = await alice.navigate('/', { headers, redirect: 'manual' });
    expect([page.status, errorCode(page)]).toEqual([503, 'session_store_unavailable']);
    expect(page.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(page.body).not.toContain(secret);
  }
  const script = await alice.fetch('/app-4f3a9c21.js');
  expect(script.status).toBe(503);
  await network.restore();
  await bff.close();
  network.close();
  await redis.stop();
});
