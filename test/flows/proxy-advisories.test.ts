import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { echo } from '../support/upstream/upstream.ts';

// What has been wrong with other proxies in front of applications, a test for each advisory. Those
// on sign-in and return addresses are in login.test.ts, callback.test.ts, session.test.ts and
// return-url.test.ts.

let bff: TestBff;
let alice: TestBrowser;

beforeAll(async () => {
  bff = await startBff({
    store: 'memory',
    routes: (usual, { upstream: { url } }) => [
      { ...usual, headers: { set: { 'X-User-Id': '${claims.sub}' } } },
      { path: '/public', upstream: url, token: 'none' },
    ],
  });
  alice = await bff.signedIn();
});

afterAll(() => bff.close());

beforeEach(() => {
  bff.upstream.requests.length = 0;
  bff.upstream.handler = echo();
});

const csrf = { 'x-csrf': '1' };

/** The statuses of a raw request of nobody. */
async function statusesOf(
  target: string,
  lines: readonly string[] = [],
): Promise<readonly number[]> {
  const head = [`GET ${target} HTTP/1.1`, 'Host: x', 'X-CSRF: 1', 'Connection: close', ...lines];
  return (await rawRequest(bff.port, [...head, '', ''].join('\r\n'))).statuses;
}

const names = () => bff.upstream.last.rawHeaders.filter((_, index) => index % 2 === 0);

describe('an advisory on another proxy', () => {
  it.each(['GoogleHC/1.0', 'kube-probe/1.30', 'ELB-HealthChecker/2.0'])(
    'GHSA-5hvv-m4w4-gf6v: %s as the user agent of a health check opens nothing',
    async (agent) => {
      expect(await statusesOf('/api/x', [`User-Agent: ${agent}`])).toEqual([401]);
      expect(bff.upstream.requests).toEqual([]);
    },
  );

  it.each(['X-Forwarded-Uri', 'X-Original-URI', 'X-Original-URL', 'X-Rewrite-URL'])(
    'CVE-2026-40575: the path a client writes into %s is not the one that is judged',
    async (name) => {
      expect(await statusesOf('/api/x', [`${name}: /public/x`])).toEqual([401]);
      expect(bff.upstream.requests).toEqual([]);
      expect(await statusesOf('/public/x', [`${name}: /api/x`])).toEqual([200]);
      expect(names().map((one) => one.toLowerCase())).not.toContain(name.toLowerCase());
    },
  );

  it.each(['/api/x#/public', '/api#/public/x', '/api/x%23/public'])(
    'GHSA-pxq7-h93f-9jrg: a fragment in %s does not choose the route',
    async (target) => {
      expect([[400], [401]]).toContainEqual(await statusesOf(target));
      expect(bff.upstream.requests).toEqual([]);
    },
  );

  it.each(['/api/x?/public', '/api?/public/x', '/api/x?a=/public/'])(
    'CVE-2025-54576: the query in %s does not choose the route',
    async (target) => {
      expect(await statusesOf(target)).toEqual([401]);
      expect(bff.upstream.requests).toEqual([]);
    },
  );

  it.each(['X_User_Id', 'x_user-id', 'X-USER_ID', 'X-User-Id'])(
    'CVE-2025-64484: %s does not stand beside the header the upstream trusts',
    async (name) => {
      await alice.fetch('/api/x', { headers: { ...csrf, [name]: 'admin' } });
      const spelled = names().filter(
        (one) => one.toLowerCase().replaceAll('_', '-') === 'x-user-id',
      );
      expect(spelled).toEqual(['x-user-id']);
      expect(bff.upstream.last.headers['x-user-id']).toBe('alice');
    },
  );

  it.each(['X_Forwarded_User', 'X-Forwarded_Email', 'X_Forwarded-Groups', 'X_Real_IP'])(
    'CVE-2025-64484: %s does not reach the upstream at all',
    async (name) => {
      await alice.fetch('/api/x', { headers: { ...csrf, [name]: 'admin' } });
      expect(JSON.stringify(bff.upstream.last.rawHeaders)).not.toContain('admin');
    },
  );

  it('CVE-2025-48865: Connection takes none of our headers away', async () => {
    const cookie = `Cookie: ${alice.cookieHeader('/')}`;
    const named = 'authorization, x-user-id, x-forwarded-for, x-forwarded-proto, x-request-id';
    await statusesOf('/api/x', [cookie, `Connection: ${named}`]);
    expect(bff.upstream.last.headers).toMatchObject({
      authorization: expect.stringMatching(/^Bearer /),
      'x-user-id': 'alice',
      'x-forwarded-for': expect.any(String),
      'x-forwarded-proto': 'http',
      'x-request-id': expect.any(String),
    });
    expect(bff.upstream.last.headers.connection).toBe('keep-alive');
  });

  it.each(['GET', 'DELETE', 'OPTIONS'])(
    'CVE-2026-29057: %s with a chunked body is one request',
    async (method) => {
      const inside = 'GET /api/admin HTTP/1.1\r\nHost: x\r\n\r\n';
      const head = `${method} /public/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked`;
      const chunk = `${inside.length.toString(16)}\r\n${inside}\r\n0\r\n\r\n`;
      await rawRequest(bff.port, `${head}\r\n\r\n${chunk}`);
      expect(bff.upstream.requests.map(({ url }) => url)).toEqual(['/public/x']);
      expect(bff.upstream.last.body.toString()).toBe(inside);
    },
  );

  it.each(['public, max-age=600', 's-maxage=600', 'max-age=600', undefined])(
    'CVE-2025-48947: a response for one user with %s is kept by no cache, nor is a cookie with it',
    async (rule) => {
      bff.upstream.handler = (_request, response) => {
        const cookie = { 'set-cookie': 'theme=dark', 'cdn-cache-control': 'max-age=600' };
        response.writeHead(200, { ...(rule && { 'cache-control': rule }), ...cookie }).end();
      };
      const { headers } = await alice.fetch('/api/x');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('cdn-cache-control')).toBeNull();
    },
  );

  it.each([
    ['CVE-2023-28625', 'bff='],
    ['CVE-2023-28625', '=; ;=;bff'],
    ['CVE-2024-24814', Array.from({ length: 100 }, (_, part) => `bff_${part}=x`).join('; ')],
    ['CVE-2024-24814', 'bff_chunks=99999999'],
    ['CVE-2024-24814', `bff=s:${'a'.repeat(8_000)}`],
  ])('%s: a crafted cookie means signed out, and nothing fails', async (_advisory, cookie) => {
    expect(await statusesOf('/api/x', [`Cookie: ${cookie}`])).toEqual([401]);
    expect((await alice.fetch('/api/x')).status).toBe(200);
  });

  it('GHSA-59jp: a call whose session has ended is refused, its body kept nowhere', async () => {
    const body = { method: 'POST', body: 'card=4111-canary-of-a-body', headers: csrf };
    const response = await bff.browser().fetch('/api/x', body);
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain('4111-canary-of-a-body');
    expect(bff.upstream.requests).toEqual([]);
    expect(bff.logs.text).not.toContain('4111-canary-of-a-body');
  });
});
