import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import { refuseCookies, withoutFetchMetadata } from '../support/browser/navigations.ts';
import { openWebSocket, refusalOf } from '../support/network/web-sockets.ts';
import { errorCode } from './steps.ts';

const elsewhere = 'https://elsewhere.example/';

/** A server-rendered application at `/app`, beside the usual API. */
function withPages(others: BffOverrides = {}): Promise<TestBff> {
  return startBff({
    store: 'memory',
    session: { sameSite: 'lax' },
    upstream: respondWith(200, 'the page', { 'content-type': 'text/html' }),
    routes: (usual) => [usual, { ...usual, path: '/app', signedOut: 'login' }],
    errorUrl: '/oops',
    ...others,
  });
}

describe('a route that sends signed-out users to the sign-in', () => {
  let bff: TestBff;
  beforeAll(async () => void (bff = await withPages()));
  afterAll(() => bff.close());
  beforeEach(() => void (bff.upstream.requests.length = 0));

  it('comes back to the page, with the user’s token', async () => {
    const page = await bff.browser().navigate('/app/orders?x=%2F&y', { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([
      302,
      `/bff/login?${new URLSearchParams({ returnUrl: '/app/orders?x=%2F&y' })}`,
    ]);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(bff.upstream.requests).toEqual([]);
    const browser = bff.browser();
    await browser.navigate('/app/orders?x=%2F&y');
    expect((await browser.navigate('/app/orders')).body).toBe('the page');
    expect(bff.upstream.last.headers.authorization).toMatch(/^Bearer /);
  });

  it('answers anything else as before', async () => {
    const browser = bff.browser();
    const call = await browser.fetch('/app/x');
    expect([call.status, ((await call.json()) as { code: string }).code]).toEqual([
      401,
      'not_signed_in',
    ]);
    expect((await browser.fetch('/app/x', { csrf: false })).status).toBe(403);
    const form = await browser.navigate('/app/x', { form: { a: 'b' }, redirect: 'manual' });
    expect([form.status, errorCode(form)]).toEqual([403, 'csrf']);
    const frame = await browser.navigate('/app/x', { dest: 'iframe', redirect: 'manual' });
    expect(frame.status).toBe(403);
    const headers = { 'sec-purpose': 'prefetch' };
    const prefetch = await browser.navigate('/app/x', { headers, redirect: 'manual' });
    expect([prefetch.status, errorCode(prefetch)]).toEqual([401, 'not_signed_in']);
    const page = await browser.navigate('/api/x', { redirect: 'manual' });
    expect([page.status, errorCode(page)]).toEqual([403, 'csrf']);
    expect(await refusalOf(openWebSocket(bff, undefined, { path: '/app/socket' }))).toEqual([
      401,
      'not_signed_in',
    ]);
    expect(bff.upstream.requests).toEqual([]);
  });

  it.each([
    ['none', undefined, 200],
    ['same-origin', '/', 200],
    ['same-site', 'http://localhost:1/', 200],
    ['cross-site', elsewhere, 403],
  ])('serves a signed-in navigation from %s or refuses it', async (_site, from, status) => {
    const browser = await bff.signedIn();
    const page = await browser.navigate('/app', {
      from: from && new URL(from, bff.url).href,
      redirect: 'manual',
    });
    expect(page.status).toBe(status);
    expect(errorCode(page)).toBe(status === 403 ? 'csrf' : undefined);
    expect(bff.upstream.requests).toHaveLength(status === 200 ? 1 : 0);
  });

  it('serves a signed-in navigation of a browser that sends no fetch metadata', async () => {
    const browser = await bff.signedIn();
    const page = await browser.navigate('/app', { headers: withoutFetchMetadata });
    expect(page.body).toBe('the page');
    const headers = { ...withoutFetchMetadata, origin: 'https://elsewhere.example' };
    const foreign = await browser.navigate('/app', { headers });
    expect([foreign.status, errorCode(foreign)]).toEqual([403, 'csrf']);
  });

  it('lets a link on another site begin a sign-in', async () => {
    const page = await bff.browser().navigate('/app', { from: elsewhere, redirect: 'manual' });
    expect(page.status).toBe(302);
  });

  it('is reached after a sign-in although that comes from another site', async () => {
    const browser = bff.browser();
    const arrived = await browser.navigate('/app/x?y', { from: elsewhere });
    // From the provider, with the session: sent round once, because it has just been signed in.
    expect([arrived.status, arrived.url]).toEqual([200, `${bff.url}/app/x?y`]);
    expect(arrived.body).toContain('content="0;url=/app/x?y"');
    expect(bff.upstream.requests).toEqual([]);
    expect((await browser.click('/app/x?y')).body).toBe('the page');
    // Another address is not what the sign-in came back to.
    const other = await browser.navigate('/app/x?z', { from: elsewhere });
    expect([other.status, errorCode(other)]).toEqual([403, 'csrf']);
  });

  it('keeps its own errors', async () => {
    const browser = await bff.signedIn();
    const headers = { 'x-csrf': null };
    const response = await browser.fetch('/app', { headers });
    expect(response.status).toBe(403);
  });
});

describe('a sign-in for a page of a route', () => {
  const twoProviders: BffOverrides = {
    providers: (usual) => [
      usual,
      { ...usual, id: 'other', clientId: 'other', clientAuth: 'none', clientSecret: undefined },
    ],
    routes: (usual) => [
      { ...usual, path: '/app', signedOut: 'login' },
      { ...usual, path: '/other', signedOut: 'login', provider: 'other' },
    ],
  };

  it('is one at the route’s provider', async () => {
    await using bff = await withPages(twoProviders);
    const page = await bff.browser().navigate('/other/x', { redirect: 'manual' });
    expect(page.headers.get('location')).toBe('/bff/login?provider=other&returnUrl=%2Fother%2Fx');
  });

  it('connects the account of who is signed in at another provider', async () => {
    await using bff = await withPages(twoProviders);
    const browser = await bff.signedIn();
    const page = await browser.navigate('/other/x', { redirect: 'manual' });
    expect(page.headers.get('location')).toBe('/bff/connect/other?returnUrl=%2Fother%2Fx');
  });

  it('ends with a page, not in circles, for a browser without cookies', async () => {
    await using bff = await withPages({ errorUrl: undefined });
    const browser = bff.browser();
    refuseCookies(browser, bff.url);
    const page = await browser.navigate('/app');
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    expect(bff.upstream.requests).toEqual([]);
  });

  it('needs no CSRF rules where there are none', async () => {
    const csrf = false;
    await using bff = await withPages({
      route: { path: '/app', signedOut: 'login', csrf },
      routes: (usual) => [usual],
    });
    expect((await bff.browser().navigate('/app', { redirect: 'manual' })).status).toBe(302);
    const browser = await bff.signedIn();
    expect((await browser.navigate('/app', { from: elsewhere })).body).toBe('the page');
  });
});
