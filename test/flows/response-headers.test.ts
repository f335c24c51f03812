import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { freePort } from '../support/network/ports.ts';
import { startRedis } from '../support/redis/redis.ts';

let directory: string;
let bff: TestBff;
let alice: TestBrowser;
let signedOut: TestBrowser;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'headers-'));
  writeFileSync(join(directory, 'index.html'), '<title>Shop</title>');
  const unusedOrigin = `http://127.0.0.1:${await freePort()}`;
  bff = await startBff({
    https: true,
    frontend: { directory },
    routes: (usual, { upstream: { url } }) => [
      usual,
      { path: '/down', upstream: unusedOrigin, token: 'none' },
      { path: '/small', upstream: url, token: 'none', maxBody: '1b' },
      { path: '/silent', upstream: url, token: 'none', timeout: '50ms' },
    ],
  });
  bff.upstream.handler = (request, response, recorded) =>
    request.url?.startsWith('/silent')
      ? undefined
      : respondWith(200, 'ok')(request, response, recorded);
  alice = await bff.signedIn();
  signedOut = bff.browser();
});

afterAll(async () => {
  await bff.close();
  rmSync(directory, { recursive: true });
});

const manual = { redirect: 'manual' } as const;

const kinds: readonly [string, number, () => Promise<{ status: number; headers: Headers }>][] = [
  ['a page', 200, () => signedOut.navigate('/')],
  ['a proxied answer', 200, () => alice.fetch('/api/x')],
  ['an endpoint’s answer', 200, () => alice.fetch('/bff/user')],
  ['a redirect', 302, () => signedOut.navigate('/bff/login', manual)],
  ['an odd path', 400, () => signedOut.fetch('/api/%2fx')],
  ['an odd path as a page', 400, () => signedOut.navigate('/api/%2fx')],
  ['an expired sign-in', 400, () => signedOut.navigate('/bff/callback?state=x&code=y')],
  ['a call signed out', 401, () => signedOut.fetch('/api/x')],
  ['nobody', 401, () => signedOut.fetch('/bff/user')],
  ['a forged call', 403, () => alice.fetch('/api/x', { csrf: false })],
  ['a missing file', 404, () => signedOut.fetch('/missing.js')],
  ['an unknown endpoint', 404, () => signedOut.fetch('/bff/unknown')],
  ['another method', 405, () => signedOut.fetch('/', { method: 'POST' })],
  ['a body too large', 413, () => signedOut.fetch('/small', { method: 'POST', body: 'xx' })],
  ['an upstream that is down', 502, () => signedOut.fetch('/down')],
  ['an upstream that is down, as a page', 502, () => signedOut.navigate('/down')],
  ['an upstream that is silent', 504, () => signedOut.fetch('/silent')],
];

/** Responses of the frontend. Its pages may open windows that stay connected to them. */
const ofFrontend = new Set(['a page', 'a missing file', 'another method']);

describe('every response', () => {
  it.each(kinds)(
    'carries the security headers and a request id: %s, %d',
    async (kind, status, request) => {
      const response = await request();
      expect(response.status).toBe(status);
      const headers = Object.fromEntries(response.headers);
      expect(headers).toMatchObject({
        'strict-transport-security': 'max-age=31536000; includeSubDomains',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': ofFrontend.has(kind)
          ? 'same-origin-allow-popups'
          : 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'x-request-id': expect.stringMatching(/^[\w-]{10,}$/),
        'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
      });
      expect(headers).not.toHaveProperty('x-powered-by');
      expect(headers).not.toHaveProperty('server');
    },
  );

  it('has a request id of its own', async () => {
    const ids = await Promise.all(
      [1, 2, 3].map(async () => (await signedOut.fetch('/')).headers.get('x-request-id')),
    );
    expect(new Set(ids).size).toBe(3);
  });

  it('does not take its request id from the browser', async () => {
    const response = await signedOut.fetch('/api/x', { headers: { 'x-request-id': 'evil' } });
    expect(await response.text()).not.toContain('evil');
    expect(response.headers.get('x-request-id')).not.toBe('evil');
  });

  it.each(kinds.filter(([, status]) => status >= 400))(
    'that reports a failure is never stored: %s, %d',
    async (_kind, _status, request) => {
      expect((await request()).headers.get('cache-control')).toBe('no-store');
    },
  );
});

describe('the policy', () => {
  it.each(['/api/x', '/%61pi/x', '/api/%78', '/bff/user', '/%62ff/user'])(
    'of what is no page allows nothing, however it is spelt: %s',
    async (path) => {
      const response = await alice.fetch(path);
      expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
    },
  );

  it.each(['/', '/orders', '/apix'])('of the page %s is the frontend’s', async (path) => {
    const page = await signedOut.navigate(path);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'self'/);
  });
});

describe('an upstream', () => {
  it('may have rules of its own, which win', async () => {
    const own = {
      'content-security-policy': "default-src 'self'",
      'x-frame-options': 'SAMEORIGIN',
      'cross-origin-resource-policy': 'cross-origin',
    };
    const { handler } = bff.upstream;
    bff.upstream.handler = respondWith(200, 'ok', own);
    const { headers } = await alice.fetch('/api/x');
    expect(Object.fromEntries(headers)).toMatchObject(own);
    bff.upstream.handler = handler;
  });

  it('does not decide how browsers reach us', async () => {
    const { handler } = bff.upstream;
    bff.upstream.handler = respondWith(200, 'ok', { 'strict-transport-security': 'max-age=0' });
    const { headers } = await alice.fetch('/api/x');
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains');
    bff.upstream.handler = handler;
  });
});

describe('without https', () => {
  it('browsers get no Strict-Transport-Security', async () => {
    await using plain = await startBff({ store: 'memory', route: { token: 'none' } });
    for (const path of ['/', '/api/x', '/bff/user']) {
      const { headers } = await plain.browser().fetch(path);
      expect(headers.get('strict-transport-security')).toBeNull();
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });
});

describe('while sessions cannot be read', () => {
  it('the response is 503 with the same headers', async () => {
    const redis = await startRedis();
    try {
      await using own = await startBff({ https: true, redis: { url: redis.url } });
      const bob = await own.signedIn('bob');
      await redis.stop();
      const response = await bob.fetch('/api/x');
      expect(response.status).toBe(503);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'strict-transport-security': expect.any(String),
        'x-content-type-options': 'nosniff',
        'retry-after': expect.stringMatching(/^\d+$/),
        'cache-control': 'no-store',
      });
      expect(own.upstream.requests).toEqual([]);
    } finally {
      await redis.stop();
    }
  });
});
