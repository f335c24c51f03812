import { respondWith, redirectTo, type Handler } from '../upstream/responses.ts';
import { TestBrowser } from './browser.ts';
import { startUpstream, type Upstream } from '../upstream/upstream.ts';

/** Two servers that are two sites: ours on `localhost`, theirs on `127.0.0.1`. */
async function twoSites(routes: (ours: string, theirs: string) => Record<string, Handler>) {
  const server = await startUpstream();
  const ours = `http://localhost:${server.port}`;
  const theirs = server.url;
  const table = routes(ours, theirs);
  server.handler = (request, ...rest) => {
    const origin = request.headers.host?.startsWith('localhost') ? 'ours' : 'theirs';
    const handler = table[`${origin} ${request.url?.split('?')[0]}`] ?? respondWith(200, 'fine');
    return handler(request, ...rest);
  };
  return { server, ours, theirs, [Symbol.asyncDispose]: () => server.close() };
}

const cookies = [
  'strict=1; Path=/; SameSite=Strict',
  'lax=1; Path=/; SameSite=Lax',
  'own=1; Path=/; SameSite=Strict; HttpOnly',
];
const setCookies = respondWith(200, 'set', { 'set-cookie': cookies });

function selfSubmitting(action: string): string {
  const input = '<input type="hidden" name="code" value="a&amp;b"/>';
  return `<form method="post" action="${action}">${input}</form><script>document.forms[0].submit()</script>`;
}

function sent({ requests }: Upstream) {
  return requests.map(({ headers }) => [headers['sec-fetch-site'], headers.cookie ?? '']);
}

describe('navigating', () => {
  it('follows redirects over several origins and records the history', async () => {
    await using sites = await twoSites((ours, theirs) => ({
      'ours /a': redirectTo(`${theirs}/b`),
      'theirs /b': redirectTo(`${ours}/c?x=1`, 303),
    }));
    const browser = new TestBrowser({ origin: sites.ours });
    const page = await browser.navigate('/a');
    expect(page).toMatchObject({ url: `${sites.ours}/c?x=1`, status: 200, body: 'fine' });
    expect(page.history.map(({ url, status, location }) => [url, status, location])).toEqual([
      [`${sites.ours}/a`, 302, `${sites.theirs}/b`],
      [`${sites.theirs}/b`, 303, `${sites.ours}/c?x=1`],
      [`${sites.ours}/c?x=1`, 200, undefined],
    ]);
    expect(browser.location).toBe(page.url);
    expect(sites.server.requests[0]?.headers).toMatchObject({
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
      accept: expect.stringContaining('text/html'),
    });
  });

  it('stops at the first response when redirects are manual', async () => {
    await using sites = await twoSites(() => ({ 'ours /a': redirectTo('/b') }));
    const page = await new TestBrowser({ origin: sites.ours }).navigate('/a', {
      redirect: 'manual',
    });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/b']);
  });

  it('gives up after 20 redirects', async () => {
    await using sites = await twoSites(() => ({ 'ours /a': redirectTo('/a') }));
    const browser = new TestBrowser({ origin: sites.ours });
    await expect(browser.navigate('/a')).rejects.toThrow('Too many redirects');
  });

  it('sends Strict cookies for a typed address and a link of its own, not for one of another site', async () => {
    await using sites = await twoSites(() => ({ 'ours /set': setCookies }));
    const browser = new TestBrowser({ origin: sites.ours });
    await browser.navigate('/set');
    sites.server.requests.length = 0;
    await browser.navigate('/x');
    await browser.click('/x');
    await browser.navigate('/x', { from: `${sites.theirs}/page` });
    await browser.navigate('/x', { from: `${sites.theirs}/page`, form: { a: '1' } });
    const all = 'strict=1; lax=1; own=1';
    expect(sent(sites.server)).toEqual([
      ['none', all],
      ['same-origin', all],
      ['cross-site', 'lax=1'],
      ['cross-site', ''],
    ]);
    expect(sites.server.last.headers.origin).toBe(sites.theirs);
    expect(sites.server.last.form.get('a')).toBe('1');
  });

  it.each([
    ['count', 'lax=1', 'cross-site'],
    ['ignore', 'strict=1; lax=1; own=1', 'none'],
  ] as const)(
    'redirected back from another site, with redirect chains set to %s, sends %s',
    async (redirectChains, cookie, site) => {
      await using sites = await twoSites((ours, theirs) => ({
        'ours /set': setCookies,
        'ours /login': redirectTo(`${theirs}/authorize`),
        'theirs /authorize': redirectTo(`${ours}/callback`),
        'ours /callback': redirectTo('/home'),
      }));
      const browser = new TestBrowser({ origin: sites.ours, redirectChains });
      await browser.navigate('/set');
      const { history } = await browser.navigate('/login');
      const paths = history.map((hop) => [new URL(hop.url).pathname, hop.cookie]);
      expect(paths).toEqual([
        ['/login', 'strict=1; lax=1; own=1'],
        ['/authorize', ''],
        ['/callback', cookie],
        ['/home', cookie],
      ]);
      expect(sites.server.last.headers['sec-fetch-site']).toBe(site);
    },
  );

  it('fills in the form that has the fields, and sends what it held before', async () => {
    const search = '<form action="/search"><input name="q"></form>';
    const fields = `<input type='hidden' name="state" value="a&amp;b">
      <input name="login"><input type="checkbox" name="remember"><input type="checkbox" name="terms" value="yes" checked>
      <button name="cancel" value="1">Cancel</button><input type="submit" name="confirm" value="Go">`;
    const form = `<FORM method="post" action="/sign-in?a=1&amp;b=2">${fields}</FORM>`;
    await using sites = await twoSites(() => ({ 'theirs /page': respondWith(200, search + form) }));
    const browser = new TestBrowser({ origin: sites.ours });
    const page = await browser.navigate(`${sites.theirs}/page`);
    await browser.submit(page, { login: 'alice' });
    const { url, headers, form: sentFields } = sites.server.last;
    expect(url).toBe('/sign-in?a=1&b=2');
    expect([headers.origin, headers['sec-fetch-site']]).toEqual([sites.theirs, 'same-origin']);
    expect(Object.fromEntries(sentFields)).toEqual({ state: 'a&b', login: 'alice', terms: 'yes' });
    await browser.submit(page, { confirm: 'Go' });
    expect(sites.server.last.form.get('confirm')).toBe('Go');
    const missing = browser.submit(page, { password: 'x' });
    await expect(missing).rejects.toThrow('has no form with password');
  });

  it('submits a form that submits itself, as a cross-site POST without Lax cookies', async () => {
    await using sites = await twoSites((ours) => ({
      'ours /set': setCookies,
      'theirs /form': respondWith(200, selfSubmitting(`${ours}/callback`), {
        'content-type': 'text/html',
      }),
    }));
    const browser = new TestBrowser({ origin: sites.ours });
    await browser.navigate('/set');
    const page = await browser.navigate(`${sites.theirs}/form`);
    expect(page.url).toBe(`${sites.ours}/callback`);
    const { method, headers, form: fields } = sites.server.last;
    expect([method, headers.origin, headers.cookie]).toEqual(['POST', sites.theirs, undefined]);
    expect(fields.get('code')).toBe('a&b');
  });

  it('in an iframe leaves the page alone and treats Lax like Strict', async () => {
    await using sites = await twoSites((_, theirs) => ({
      'theirs /set': setCookies,
      'ours /silent': redirectTo(`${theirs}/authorize`),
    }));
    const browser = new TestBrowser({ origin: sites.ours });
    await browser.navigate(`${sites.theirs}/set`);
    await browser.navigate('/');
    const page = await browser.navigate('/silent', { dest: 'iframe' });
    expect(page.history.at(-1)).toMatchObject({ url: `${sites.theirs}/authorize`, cookie: '' });
    expect(browser.location).toBe(`${sites.ours}/`);
  });
});

describe('fetching', () => {
  it('sends what a script of our own page sends', async () => {
    await using sites = await twoSites(() => ({ 'ours /set': setCookies }));
    const browser = new TestBrowser({ origin: sites.ours });
    await browser.navigate('/set');
    const response = await browser.fetch('/api', { method: 'POST', body: { a: 1 } });
    await expect(response.text()).resolves.toBe('fine');
    expect(sites.server.last.headers).toMatchObject({
      'sec-fetch-mode': 'cors',
      'sec-fetch-site': 'same-origin',
      'sec-fetch-dest': 'empty',
      origin: sites.ours,
      'x-csrf': '1',
      'content-type': 'application/json',
      cookie: 'strict=1; lax=1; own=1',
    });
    expect(sites.server.last.body.toString()).toBe('{"a":1}');
    expect(browser.documentCookie).toBe('strict=1; lax=1');
  });

  it('sends no Origin with GET, and lets a test change every header', async () => {
    await using sites = await twoSites(() => ({}));
    const browser = new TestBrowser({ origin: sites.ours });
    await browser.fetch('/a', { csrf: false });
    await browser.fetch('/b', { headers: { 'Sec-Fetch-Site': null, Cookie: 'own=choice' } });
    const [a, b] = sites.server.requests;
    expect([a?.headers.origin, a?.headers['x-csrf']]).toEqual([undefined, undefined]);
    expect([b?.headers['sec-fetch-site'], b?.headers.cookie]).toEqual([undefined, 'own=choice']);
  });

  it('from a page of another site carries neither Strict nor Lax cookies', async () => {
    await using sites = await twoSites(() => ({ 'ours /set': setCookies }));
    const browser = new TestBrowser({ origin: sites.ours });
    await browser.navigate('/set');
    await browser.fetch(`${sites.ours}/api`, { from: sites.theirs, credentials: 'include' });
    const { headers } = sites.server.last;
    expect([headers['sec-fetch-site'], headers.origin]).toEqual(['cross-site', sites.theirs]);
    expect([headers.cookie, headers['x-csrf']]).toEqual([undefined, undefined]);
  });

  it('reaches another port behind the same address, and another browser shares nothing', async () => {
    await using sites = await twoSites(() => ({ 'ours /set': setCookies }));
    const replica = await startUpstream();
    const browser = new TestBrowser({ origin: sites.ours });
    await browser.navigate('/set');
    browser.via(replica.port);
    await browser.fetch('/x');
    expect(replica.last.headers).toMatchObject({ host: new URL(sites.ours).host });
    expect(replica.last.headers.cookie).toBe('strict=1; lax=1; own=1');
    expect(new TestBrowser({ origin: sites.ours }).cookies()).toEqual([]);
    await replica.close();
  });
});
