import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';

const index = '<!doctype html><title>Shop</title><script src="/assets/app-4f3a9c21.js"></script>';
const script = `console.log('${'shop '.repeat(500)}');`;

let directory: string;

function put(name: string, content: string | Buffer): void {
  const file = join(directory, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

beforeAll(() => {
  const parent = mkdtempSync(join(tmpdir(), 'frontend-'));
  directory = join(parent, 'web');
  writeFileSync(join(parent, 'secret.txt'), 'secret');
  put('index.html', index);
  put('assets/app-4f3a9c21.js', script);
  put('assets/app-4f3a9c21.js.br', brotliCompressSync(script));
  put('assets/app-4f3a9c21.js.gz', gzipSync(script));
  put('assets/logo.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
  put('about.html', 'about');
  put('docs/index.html', 'docs');
  put('a b/ü.txt', 'odd name');
  put('.env', 'secret');
  put('.git/config', 'secret');
  put('.well-known/security.txt', 'Contact: mailto:a@example.com');
  symlinkSync('assets', join(directory, 'current'));
});

afterAll(() => rmSync(dirname(directory), { recursive: true }));

describe('a built frontend', () => {
  let bff: TestBff;
  let browser: TestBrowser;

  beforeAll(async () => {
    bff = await startBff({ store: 'memory', frontend: { directory } });
    browser = bff.browser();
  });

  afterAll(() => bff.close());

  const asset = (headers: Record<string, string> = {}, method = 'GET') =>
    browser.fetch('/assets/app-4f3a9c21.js', { method, headers });

  it('begins at / for all users', async () => {
    const page = await browser.navigate('/');
    expect([page.status, page.body]).toEqual([200, index]);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.getSetCookie()).toEqual([]);
  });

  it.each([
    '/orders',
    '/orders/42',
    '/orders/42?tab=items',
    '/a.b/c',
    '/apix',
    '/bffx',
    '/en/.x/y',
  ])('shows the application to who goes to %s', async (path) => {
    const page = await browser.navigate(path);
    expect([page.status, page.body]).toEqual([200, index]);
    expect(page.headers.get('cache-control')).toBe('no-cache');
  });

  it('knows a navigation by Accept where the browser sends no Sec-Fetch-Mode', async () => {
    const old = { 'sec-fetch-mode': null, 'sec-fetch-site': null, 'sec-fetch-dest': null };
    expect((await browser.navigate('/orders', { headers: old })).status).toBe(200);
    const image = await browser.fetch('/orders', { headers: { ...old, accept: 'image/*' } });
    expect(image.status).toBe(404);
  });

  it.each([
    ['a script that is gone', '/assets/app-00000000.js', {}],
    ['a call that no route has', '/apix/orders', { accept: 'application/json' }],
    ['a script’s fetch, whatever it accepts', '/orders', { accept: 'text/html' }],
    ['a directory', '/assets/', {}],
  ])('has no page for %s, but a problem', async (_what, path, headers) => {
    const response = await browser.fetch(path, { headers });
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toMatchObject({ code: 'not_found' });
  });

  it.each([
    ['/about', 'about'],
    ['/docs/', 'docs'],
    ['/docs', 'docs'],
    ['/a%20b/%C3%BC.txt', 'odd name'],
    ['/.well-known/security.txt', 'Contact: mailto:a@example.com'],
    ['/current/logo.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>'],
    ['/%61bout', 'about'],
  ])('has a file at %s', async (path, content) => {
    const response = await browser.fetch(path);
    expect([response.status, await response.text()]).toEqual([200, content]);
  });

  it.each(['/.env', '/.git/config', '/.git/', '/assets/../.env', '/%2eenv', '/.%65nv'])(
    'never shows %s',
    async (path) => {
      const bytes = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      const { statuses, text } = await rawRequest(bff.port, bytes);
      expect([400, 404]).toContain(statuses[0]);
      expect(text).not.toContain('secret');
    },
  );

  it.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/%252e%252e/secret.txt',
    '/..%5csecret.txt',
    '/..\\secret.txt',
    '//secret.txt',
    '/....//secret.txt',
    '/..;/secret.txt',
    '/secret.txt%00.js',
    '/%00/secret.txt',
    '/%c0%ae%c0%ae/secret.txt',
  ])('never leaves its directory: %s', async (path) => {
    const bytes = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    const { statuses, text } = await rawRequest(bff.port, bytes);
    expect(statuses).toEqual([400]);
    expect(text).not.toContain('secret\n');
  });

  it.each(['/bff/unknown', '/bff', '/bff/', '/%62ff/unknown', '/bff/user/'])(
    'does not respond to %s',
    async (path) => {
      const page = await browser.navigate(path);
      expect(page.status).toBe(404);
      expect(page.body).not.toBe(index);
    },
  );

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'])('refuses %s', async (method) => {
    for (const path of ['/', '/orders', '/assets/app-4f3a9c21.js', '/nowhere.js']) {
      const response = await browser.fetch(path, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
      expect(await response.json()).toMatchObject({ code: 'method_not_allowed' });
    }
  });

  it('responds to HEAD like GET, without the body', async () => {
    const [head, get] = [await asset({}, 'HEAD'), await asset()];
    expect(await head.text()).toBe('');
    for (const name of ['content-length', 'content-type', 'etag', 'cache-control', 'vary']) {
      expect(head.headers.get(name)).toBe(get.headers.get(name));
    }
    expect(head.headers.get('content-length')).toBe(String(script.length));
  });

  it.each([
    ['br', 'br', brotliDecompressSync],
    ['gzip, deflate, br', 'br', brotliDecompressSync],
    ['gzip', 'gzip', gunzipSync],
    ['br;q=0, gzip', 'gzip', gunzipSync],
    ['*', 'br', brotliDecompressSync],
    ['deflate', null, Buffer.from],
    ['identity', null, Buffer.from],
    ['br;q=0, gzip;q=0', null, Buffer.from],
    ['zebra', null, Buffer.from],
    ['', null, Buffer.from],
  ])('compressed for who accepts %j: %s', async (accepted, coding, decode) => {
    const response = await asset({ 'accept-encoding': accepted });
    expect(response.headers.get('content-encoding')).toBe(coding);
    expect(response.headers.get('vary')).toMatch(/accept-encoding/i);
    expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(response.headers.get('content-length')).toBe(String(bytes.length));
    expect((decode as (bytes: Buffer) => Buffer)(bytes).toString()).toBe(script);
  });

  it('is not sent again to who has it', async () => {
    for (const accepted of ['br', 'identity']) {
      const etag = (await asset({ 'accept-encoding': accepted })).headers.get('etag') ?? '';
      expect(etag).toMatch(/^W\/".+"$/);
      const again = await asset({ 'accept-encoding': accepted, 'if-none-match': etag });
      expect([again.status, await again.text()]).toEqual([304, '']);
      expect(again.headers.get('etag')).toBe(etag);
      expect(again.headers.get('cache-control')).toContain('immutable');
      expect(again.headers.get('vary')).toMatch(/accept-encoding/i);
    }
    const [plain, compressed] = [await asset(), await asset({ 'accept-encoding': 'br' })];
    expect(plain.headers.get('etag')).not.toBe(compressed.headers.get('etag'));
  });

  it.each([
    ['bytes=0-4', 206, script.slice(0, 5)],
    ['bytes=5-', 206, script.slice(5)],
    ['bytes=-5', 206, script.slice(-5)],
    ['bytes=0-99999', 206, script],
  ])('in part, for Range %j', async (range, status, expected) => {
    const response = await asset({ range });
    expect([response.status, await response.text()]).toEqual([status, expected]);
    expect(response.headers.get('content-range')).toMatch(/^bytes \d+-\d+\/\d+$/);
    expect(response.headers.get('content-length')).toBe(String(expected.length));
  });

  it.each([
    ['bytes=99999-', 416, ''],
    ['bytes=5-2', 416, ''],
    ['bytes=0-1,5-6', 200, script],
    ['bytes=x-y', 200, script],
    ['lines=0-1', 200, script],
    ['bytes=', 200, script],
    ['', 200, script],
  ])('whole or not at all, for Range %j', async (range, status, expected) => {
    const response = await asset({ range });
    expect([response.status, await response.text()]).toEqual([status, expected]);
  });

  it('whole, if the requested part is of an older build', async () => {
    const response = await asset({ range: 'bytes=0-4', 'if-range': '"older"' });
    expect([response.status, await response.text()]).toEqual([200, script]);
  });

  it('not at all, if the condition does not hold', async () => {
    const response = await asset({ 'if-match': '"older"', 'accept-encoding': 'br' });
    expect([response.status, await response.text()]).toEqual([412, '']);
    expect(response.headers.get('content-encoding')).toBeNull();
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it.each([
    ['assets/app-4f3a9c21.js', true],
    ['assets/app.4f3a9c21ab12.chunk-B7xk2Qp9.css', true],
    ['main-5XJR4T6Q.js', true],
    ['assets/index-DiwrgTda7.css', true],
    ['index.html', false],
    ['assets/app.js', false],
    ['assets/bootstrap-datepicker3.css', false],
    ['assets/report-20240101.pdf', false],
    ['assets/my-application.js', false],
    ['assets/jquery-3.7.1.min.js', false],
    ['4f3a9c21.js', false],
    ['assets/app-4f3a9c21', false],
  ])('is kept for ever only with a hash in its name: %s: %s', async (name, isImmutable) => {
    if (!['index.html', 'assets/app-4f3a9c21.js'].includes(name)) put(name, 'x');
    const response = await browser.fetch(`/${name}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe(
      isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    );
  });

  it('is looked at anew after a deployment, without a restart', async () => {
    put('new.js', 'first');
    const [first, etag] = [await browser.fetch('/new.js'), 'etag'];
    expect(await first.text()).toBe('first');
    put('new.js.next', 'a second and longer one');
    renameSync(join(directory, 'new.js.next'), join(directory, 'new.js'));
    const headers = { 'if-none-match': first.headers.get(etag) ?? '' };
    const second = await browser.fetch('/new.js', { headers });
    expect([second.status, await second.text()]).toEqual([200, 'a second and longer one']);
    rmSync(join(directory, 'new.js'));
    expect((await browser.fetch('/new.js')).status).toBe(404);
    expect((await browser.navigate('/')).status).toBe(200);
  });

  it('is the page the policy is for', async () => {
    const page = await browser.navigate('/orders');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toContain('unsafe');
  });
});

describe('the policy of the pages', () => {
  it.each([
    ["default-src 'self' https://cdn.example.com", "default-src 'self' https://cdn.example.com"],
    ['off', null],
  ])('configured as %j is %j', async (contentSecurityPolicy, expected) => {
    await using bff = await startBff({
      store: 'memory',
      frontend: { directory, contentSecurityPolicy },
    });
    const page = await bff.browser().navigate('/');
    expect(page.headers.get('content-security-policy')).toBe(expected);
    // What is no page keeps the strictest one.
    const call = await bff.browser().fetch('/api/x');
    expect(call.headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});

describe('a frontend that another server has', () => {
  let bff: TestBff;
  let web: Upstream;
  let alice: TestBrowser;

  beforeAll(async () => {
    web = await startUpstream();
    bff = await startBff({ store: 'memory', frontend: { url: web.url } });
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

  it.each([
    '/',
    '/orders/42',
    '/@vite/client',
    '/src/main.ts?t=1',
    '/node_modules/.vite/x.js',
    '/.x',
  ])('gets requests for %s, signed in or not', async (path) => {
    for (const browser of [alice, bff.browser()]) {
      const page = await browser.navigate(path);
      expect([page.status, page.body]).toEqual([200, index]);
      expect(web.last.url).toBe(path);
      expect(web.last.headers).not.toHaveProperty('authorization');
      expect(web.last.headers.cookie ?? '').not.toContain('bff');
    }
  });

  it('gets every method, without the guard against forgery', async () => {
    for (const method of ['POST', 'PUT', 'OPTIONS', 'HEAD']) {
      await alice.fetch('/x', { method, csrf: false });
      expect(web.last.method).toBe(method);
    }
  });

  it('has its caching rules kept', async () => {
    web.handler = respondWith(200, index, { 'cache-control': 'public, max-age=60' });
    expect((await alice.navigate('/')).headers.get('cache-control')).toBe('public, max-age=60');
  });

  it('gets no request for the paths of the BFF or of a route', async () => {
    for (const path of ['/bff/user', '/bff/unknown', '/bff', '/api/x', '/%62ff/user', '/%61pi/x']) {
      await alice.fetch(path);
    }
    expect(web.requests).toEqual([]);
    expect((await alice.fetch('/bff/unknown')).status).toBe(404);
  });

  it('is refused odd paths like any upstream', async () => {
    for (const path of ['/..%2fsecret', '/%252e%252e/x', '/a%5cb']) {
      expect((await alice.fetch(path)).status).toBe(400);
    }
    expect(web.requests).toEqual([]);
  });

  it('gets our policy for its pages, unless it has its own', async () => {
    expect((await alice.navigate('/')).headers.get('content-security-policy')).toContain(
      "default-src 'self'",
    );
    const own = "default-src 'self' 'unsafe-inline'";
    web.handler = respondWith(200, index, { 'content-security-policy': own });
    expect((await alice.navigate('/')).headers.get('content-security-policy')).toBe(own);
  });

  it('that is down is a page that says so', async () => {
    await using other = await startBff({
      store: 'memory',
      frontend: { url: 'http://127.0.0.1:9' },
    });
    const page = await other.browser().navigate('/');
    expect(page.status).toBe(502);
    expect(page.body).toContain('upstream_unreachable');
  });
});

describe('without a frontend', () => {
  it('there is nothing, and it says so', async () => {
    await using bff = await startBff({ store: 'memory' });
    const page = await bff.browser().navigate('/');
    expect(page.status).toBe(404);
    expect(page.body).toContain('not_found');
    expect((await bff.browser().fetch('/x', { method: 'POST' })).status).toBe(404);
  });
});
