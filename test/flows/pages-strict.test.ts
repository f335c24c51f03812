import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser, NavigateOptions, Page } from '../support/browser/browser.ts';
import { refreshOf, refuseCookies, withoutFetchMetadata } from '../support/browser/navigations.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { errorCode } from './steps.ts';

const elsewhere = 'https://elsewhere.example/mail';
const index = '<!doctype html><title>Shop</title>';
const address = `/orders?a="1'&b=<i>;2,url=x`;

let bff: TestBff;
let web: Upstream;

beforeAll(async () => {
  web = await startUpstream(respondWith(200, index, { 'content-type': 'text/html' }));
  bff = await startBff({ store: 'memory', frontend: { url: web.url, signIn: 'required' } });
});

afterAll(async () => {
  await bff.close();
  await web.close();
});

/** Every page on the way, until one stays. A page that loads by itself is of our own origin. */
async function arrive(
  browser: TestBrowser,
  path: string,
  options: NavigateOptions = {},
): Promise<Page[]> {
  const pages = [await browser.navigate(path, options)];
  while (pages.length < 10) {
    const [last] = pages.slice(-1) as [Page];
    const next = refreshOf(last);
    if (next === undefined) return pages;
    const referer = last.headers.get('referrer-policy') === 'same-origin' ? last.url : null;
    const { headers } = options;
    pages.push(await browser.click(next, { headers: { referer, ...headers } }));
  }
  throw new Error('This goes round for ever.');
}

const statuses = (pages: readonly Page[]) => pages.map(({ status }) => status);
const last = (pages: readonly Page[]) => pages.at(-1) as Page;

describe('a navigation from another site, with a Strict session cookie', () => {
  it.each([
    ['another site', elsewhere],
    ['a sibling', 'http://localhost:1/'],
  ])('goes round once and finds the session: from %s', async (_site, from) => {
    const browser = await bff.signedIn();
    const isSibling = from.includes('localhost');
    const pages = await arrive(browser, '/orders/42?x=1', { from });
    expect(last(pages).body).toBe(index);
    // A sibling is the same site, so the cookie has come along.
    expect(statuses(pages)).toEqual(isSibling ? [200] : [200, 200]);
    expect(bff.authorizationServer.authorizationRequests().length).toBeGreaterThan(0);
    expect(last(pages).history).toHaveLength(1);
  });

  it('goes round to exactly the same address, by a page without script', async () => {
    const page = await bff.browser().navigate(address, { from: elsewhere, redirect: 'manual' });
    expect(page.status).toBe(200);
    const { pathname, search } = new URL(address, bff.url);
    expect(refreshOf(page)).toBe(pathname + search);
    expect(page.body).not.toMatch(/<script|<i>|"1'/);
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-/,
    );
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('referrer-policy')).toBe('same-origin');
    expect(page.headers.get('x-frame-options')).toBe('DENY');
    const [cookie, ...others] = page.headers.getSetCookie();
    expect(cookie).toMatch(
      /^bff-arrival=1\.[\w-]{16}; Max-Age=60; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    expect(others).toEqual([]);
  });

  it('signs in who is signed out, and finds the page afterwards', async () => {
    const browser = bff.browser();
    const pages = await arrive(browser, '/orders/7', { from: elsewhere });
    expect([last(pages).url, last(pages).body]).toEqual([`${bff.url}/orders/7`, index]);
    // The second page came from the sign-in, across sites again.
    expect(pages).toHaveLength(3);
    const [, second] = pages as [Page, Page];
    expect(second.history[0]?.location).toBe('/bff/login?returnUrl=%2Forders%2F7');
  });

  it('that is no document gets 401, and no page to go round', async () => {
    const browser = bff.browser();
    const options = { from: elsewhere, redirect: 'manual' } as const;
    const others = [{ 'sec-purpose': 'prefetch' }, { 'sec-fetch-dest': 'iframe' }] as const;
    for (const headers of others) {
      const page = await browser.navigate('/', { ...options, headers });
      expect([page.status, errorCode(page)]).toEqual([401, 'not_signed_in']);
      expect(page.headers.getSetCookie()).toEqual([]);
    }
  });

  it('is not sent round if it brings the cookie of a session that has ended', async () => {
    const browser = await bff.signedIn();
    const cookie = browser.cookieHeader();
    await browser.fetch('/bff/logout', { method: 'POST' });
    const headers = { cookie };
    const page = await bff
      .browser()
      .navigate('/', { from: elsewhere, redirect: 'manual', headers });
    expect(page.status).toBe(302);
  });
});

describe('a navigation that does not come from another site', () => {
  it.each<[string, NavigateOptions]>([
    ['was typed', {}],
    ['comes from our own page', { from: 'self' }],
    ['comes from a browser that does not tell', { headers: withoutFetchMetadata }],
  ])('begins a sign-in at once: it %s', async (_how, options) => {
    const from = options.from && `${bff.url}/x`;
    const page = await bff.browser().navigate('/orders', { ...options, from, redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([
      302,
      '/bff/login?returnUrl=%2Forders',
    ]);
  });

  it.each([
    ['that does not tell where it comes from', withoutFetchMetadata],
    // Firefox: redirects through another site keep `none`, and hold the cookie back.
    ['that takes redirects for typed', { 'sec-fetch-site': 'none' }],
  ])('arrives after its sign-in in a browser %s', async (_what, headers) => {
    const browser = bff.browser();
    const pages = await arrive(browser, '/orders/8', { headers });
    expect([last(pages).url, last(pages).body]).toEqual([`${bff.url}/orders/8`, index]);
    expect(pages.length).toBeLessThanOrEqual(3);
  });

  it('arrives after a sign-in in a browser that ignores redirects through other sites', async () => {
    const browser = bff.browser({ redirectChains: 'ignore' });
    const pages = await arrive(browser, '/orders/9');
    expect(statuses(pages)).toEqual([200]);
    expect(last(pages).body).toBe(index);
  });
});

describe('a browser', () => {
  const explained = /Your browser keeps no cookies for this site/;

  it('without cookies gets a page that says so in the second round', async () => {
    const browser = bff.browser();
    refuseCookies(browser, bff.url);
    const pages = await arrive(browser, address, { from: elsewhere });
    expect(statuses(pages)).toEqual([200, 401]);
    expect(last(pages).body).toMatch(explained);
    expect(errorCode(last(pages))).toBe('not_signed_in');
    expect(last(pages).headers.get('content-security-policy')).toContain("default-src 'none'");
    // Who tries again goes to the sign-in, which ends with a page, too.
    const retry = await browser.click('/orders');
    expect([retry.status, errorCode(retry)]).toEqual([400, 'login_expired']);
  });

  it('without cookies that is cross-site for ever gets that page, too', async () => {
    const browser = bff.browser();
    refuseCookies(browser, bff.url);
    const headers = { 'sec-fetch-site': 'cross-site' };
    const pages = await arrive(browser, '/orders', { headers });
    expect(statuses(pages)).toEqual([200, 401]);
    expect(last(pages).body).toMatch(explained);
  });

  it('that keeps all cookies but the session’s gets it after two rounds', async () => {
    const browser = bff.browser();
    const store = browser.jar.store.bind(browser.jar);
    browser.jar.store = (line, url, context) => {
      if (!line.startsWith('bff=')) store(line, url, context);
    };
    const pages = await arrive(browser, '/orders', { from: elsewhere });
    expect(statuses(pages)).toEqual([200, 200, 401]);
    expect(last(pages).body).toMatch(explained);
  });

  it('that is cross-site for ever gets it after two rounds', async () => {
    const browser = await bff.signedIn();
    const headers = { 'sec-fetch-site': 'cross-site', cookie: '' };
    const pages: Page[] = [];
    for (let round = 0; round < 3; round += 1) {
      const cookie = pages.at(-1)?.headers.getSetCookie()[0]?.split(';')[0] ?? '';
      const options = { headers: { ...headers, cookie }, redirect: 'manual' } as const;
      pages.push(await browser.navigate('/orders', options));
    }
    expect(statuses(pages)).toEqual([200, 200, 401]);
  });

  it('may open several links in the same moment', async () => {
    const browser = await bff.signedIn();
    const links = ['/orders/1', '/orders/2', '/orders/3', '/orders/4'];
    const opened = await Promise.all(
      links.map((path) => browser.navigate(path, { from: elsewhere })),
    );
    expect(statuses(opened)).toEqual([200, 200, 200, 200]);
    for (const page of opened) {
      const headers = { referer: page.url };
      const arrived = await browser.navigate(refreshOf(page) ?? '', { from: page.url, headers });
      expect(arrived.body).toBe(index);
    }
  });

  it('forgets the sign-in it has come from when it signs out', async () => {
    const browser = await bff.signedIn();
    expect(browser.cookies().map(({ name }) => name)).toContain('bff-arrival');
    await browser.fetch('/bff/logout', { method: 'POST' });
    expect(browser.cookies().map(({ name }) => name)).not.toContain('bff-arrival');
    expect((await browser.navigate('/', { redirect: 'manual' })).status).toBe(302);
  });
});

it('a route with signedOut: login is reached from another site in the same way', async () => {
  await using app = await startBff({
    store: 'memory',
    route: { path: '/app', signedOut: 'login' },
  });
  const browser = app.browser();
  const pages = await arrive(browser, '/app/x?y', { from: elsewhere });
  expect(statuses(pages)).toEqual([200, 200, 200]);
  expect(app.upstream.requests.map(({ url }) => url)).toEqual(['/app/x?y']);
  expect(app.upstream.last.headers.authorization).toMatch(/^Bearer /);
  expect(last(pages).url).toBe(`${app.url}/app/x?y`);
});

it('the arrival cookie reaches no upstream, and is not set where no page needs it', async () => {
  const browser = await bff.signedIn();
  await browser.navigate('/');
  expect(browser.cookieHeader()).toContain('bff-arrival=');
  expect(web.last.headers.cookie ?? '').not.toContain('arrival');
  await using plain = await startBff({ store: 'memory', frontend: { url: web.url } });
  const other = await plain.signedIn();
  expect(
    other
      .cookies()
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(['bff', 'bff-login']);
});

it('with https the arrival cookie has the prefix and is Secure', async () => {
  await using secure = await startBff({
    https: true,
    frontend: { url: web.url, signIn: 'required' },
  });
  const page = await secure.browser().navigate('/', { from: elsewhere, redirect: 'manual' });
  expect(page.headers.getSetCookie()).toEqual([
    expect.stringMatching(
      /^__Host-Http-bff-arrival=1\.[\w-]{16}; Max-Age=60; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    ),
  ]);
});
