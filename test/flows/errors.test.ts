import { createHash } from 'node:crypto';
import { SessionReaderService } from '../../src/session/sessions/session-reader.service.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { Page } from '../support/browser/browser.ts';
import { waitFor } from '../support/time/wait-for.ts';

type Case = readonly [code: string, status: number, path: string, init: RequestInit];

const csrf = { 'x-csrf': '1' };

/** A way to each error that the outside can cause, and what it must become. */
const cases: readonly Case[] = [
  ['bad_path', 400, '/api/%2Fadmin', {}],
  ['bad_path', 400, '/%zz', {}],
  ['bad_path', 400, '/bff/callback/%zz', {}],
  ['invalid_return_url', 400, '/bff/login?returnUrl=//evil.example', {}],
  ['invalid_request', 400, '/bff/login?returnUrl=/a&returnUrl=/b', {}],
  ['unknown_provider', 404, '/bff/login?provider=nobody', {}],
  ['login_expired', 400, '/bff/callback?code=c&state=s', {}],
  ['not_signed_in', 401, '/bff/user', { headers: csrf }],
  ['csrf', 403, '/bff/user', {}],
  ['csrf', 403, '/api/notes', {}],
  ['not_found', 404, '/bff/nothing', {}],
  ['not_found', 404, '/nothing', {}],
  ['method_not_allowed', 405, '/bff/login', { method: 'DELETE' }],
  ['body_too_large', 413, '/open/notes', { method: 'POST', body: 'x'.repeat(2000) }],
  ['provider_unavailable', 503, '/bff/login?provider=gone', {}],
  ['upstream_unreachable', 502, '/broken/notes', {}],
  ['upstream_timeout', 504, '/open/slow', {}],
];

const navigations = cases
  .filter(([, , , init]) => Object.keys(init).length === 0)
  .map(([code, status, path]) => [code, status, path] as const);

function wayOn(page: Page) {
  return /<a href="([^"]*)">([^<]*)<\/a>/.exec(page.body)?.slice(1);
}

describe('every error', () => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff({
      store: 'memory',
      upstream: () => undefined,
      providers: (usual) => [usual, { ...usual, id: 'gone', issuer: 'http://127.0.0.1:9' }],
      routes: (usual, { upstream }) => [
        usual,
        { path: '/open', upstream: upstream.url, token: 'none', maxBody: '1kb', timeout: '400ms' },
        { path: '/broken', upstream: 'http://127.0.0.1:9', token: 'none' },
      ],
    });
  });
  afterAll(() => bff.close());

  it.each(cases)(
    '%s (%i) of %s is a problem document to a script',
    async (code, status, path, init) => {
      const response = await fetch(bff.url + path, { ...init, redirect: 'manual' });
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json(;|$)/);
      expect(response.headers.get('cache-control')).toBe('no-store');
      const text = await response.text();
      const problem = JSON.parse(text) as Record<string, unknown>;
      expect(problem).toMatchObject({
        type: `urn:pixie-bff:${code}`,
        title: expect.stringMatching(/^[A-Z].+\.$/),
        status,
        code,
        requestId: response.headers.get('x-request-id'),
      });
      expect(problem['requestId']).toMatch(/^[0-9a-f-]{36}$/);
      expect(
        Object.keys(problem).filter(
          (key) => !/^(type|title|status|code|requestId|loginUrl)$/.test(key),
        ),
      ).toEqual([]);
      expect(text).not.toMatch(/\.ts:|node:|Error\b/);
      expect(response.headers.get('retry-after') !== null).toBe(status === 503);
    },
  );

  it.each(navigations)('%s (%i) of %s is a page to a person', async (code, status, path) => {
    const page = await bff.browser().navigate(path, { redirect: 'manual' });
    expect(page.status).toBe(status);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.body).toContain('<html lang="en">');
    expect(page.body).toMatch(/<title>[A-Z][^<]+\.<\/title>/);
    expect(page.body).toContain(` · ${code} · ${page.headers.get('x-request-id')}`);
    expect(page.body).not.toMatch(/<script|javascript:|\.ts:/);
  });

  it('offers a signed-out user the sign-in, and others the way back', async () => {
    const browser = bff.browser();
    expect(wayOn(await browser.navigate('/bff/callback?code=c&state=s'))).toEqual([
      '/bff/login',
      'Sign in',
    ]);
    expect(wayOn(await browser.navigate('/nothing'))).toEqual(['/', 'Back to the application']);
  });

  it('shows a page whose policy allows its own style and nothing else', async () => {
    const page = await bff.browser().navigate('/nothing');
    const style = /<style>([^]*)<\/style>/.exec(page.body)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy.split('; ').toSorted()).toEqual([
      "base-uri 'none'",
      "default-src 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      `style-src 'sha256-${hash}'`,
    ]);
    expect(page.body.match(/<(link|img|script|iframe)|\s(style|on\w+)=/g)).toBeNull();
  });

  it('gives a script JSON although it accepts HTML, because its request says that it is no navigation', async () => {
    const response = await bff.browser().fetch('/nothing', { headers: { accept: 'text/html' } });
    expect(response.headers.get('content-type')).toMatch(/problem\+json/);
    await response.text();
  });

  it('gives an old browser without fetch metadata the page', async () => {
    const response = await bff.browser().fetch('/nothing', {
      headers: { accept: 'text/html,*/*', 'sec-fetch-mode': null },
    });
    expect(response.headers.get('content-type')).toMatch(/html/);
    await response.text();
  });
});

describe('errorUrl', () => {
  it('sends failed navigations to our endpoints there, with the code, and nothing else', async () => {
    await using bff = await startBff({ store: 'memory', errorUrl: '/signin-error?from=bff' });
    const browser = bff.browser();
    const failed = await browser.navigate('/bff/callback?code=c&state=s&error_description=<b>', {
      redirect: 'manual',
    });
    expect(failed.status).toBe(302);
    expect(failed.headers.get('location')).toBe('/signin-error?from=bff&code=login_expired');
    const elsewhere = await browser.navigate('/nothing', { redirect: 'manual' });
    expect([elsewhere.status, elsewhere.headers.get('location')]).toEqual([404, null]);
    const lookalike = await browser.navigate('/bffx/nothing', { redirect: 'manual' });
    expect(lookalike.status).toBe(404);
    const script = await browser.fetch('/bff/user');
    expect(script.status).toBe(401);
    await script.text();
  });
});

describe('what the authorization server says', () => {
  it('is never shown', async () => {
    await using bff = await startBff({ store: 'memory' });
    bff.authorizationServer.interaction = 'deny';
    const page = await bff.signIn(bff.browser());
    expect(page.status).toBe(403);
    expect(page.body).toContain('login_denied');
    expect(page.body).not.toMatch(/person said no|<b>|&#60;b/);
  });

  it('is never executed by any of its links', async () => {
    const defaultReturnUrl = '/?a="><img src=x onerror=alert(1)>&b=\'';
    await using bff = await startBff({ store: 'memory', login: { defaultReturnUrl } });
    const page = await bff.browser().navigate('/nothing');
    expect(page.body).not.toContain('<img');
    expect(page.body).toContain('&#34;&#62;&#60;img src=x onerror=alert(1)&#62;&#38;b=&#39;');
  });
});

describe('an unexpected error', () => {
  it('is a 500 without details, is logged with its stack, and the server lives', async () => {
    await using bff = await startBff({ store: 'memory' });
    const reader = bff.app.get(SessionReaderService);
    reader.read = () => Promise.reject(new TypeError('secret detail of a bug'));
    const bug = await bff.browser().fetch('/api/notes');
    const text = await bug.text();
    expect(bug.status).toBe(500);
    expect(JSON.parse(text)).toEqual({
      type: 'urn:pixie-bff:internal_error',
      title: 'Something went wrong on our side.',
      status: 500,
      code: 'internal_error',
      requestId: bug.headers.get('x-request-id'),
    });
    const line = await waitFor(
      () => bff.logs.lines.find(({ code }) => code === 'internal_error') ?? false,
    );
    expect(line).toMatchObject({
      err: { cause: { type: 'TypeError', message: 'secret detail of a bug' } },
    });
    expect((await bff.browser().fetch('/bff/user')).status).toBe(401);
  });
});
