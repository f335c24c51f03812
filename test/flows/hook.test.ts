import { setTimeout as delay } from 'node:timers/promises';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import { figuresIn } from '../support/bff/metrics.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { clientCertificate, testTls } from '../support/network/tls.ts';
import {
  respondWith,
  hang,
  hangUp,
  redirectTo,
  type Handler,
} from '../support/upstream/responses.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { errorCode, whoIs } from './steps.ts';

const token = 'the-secret-of-the-hook';
const people = {
  alice: {
    name: 'Alice Adams',
    email: 'alice@example.com',
    email_verified: true,
    groups: ['staff'],
  },
};

/** Answers with these claims. */
const claims = (changes: unknown) => respondWith(200, { claims: changes });

/** Answers with this text as the value of `claims`. */
const spelled = (text: string) =>
  respondWith(200, `{"claims":${text}}`, { 'content-type': 'application/json' });

async function claimsOf(browser: TestBrowser): Promise<Record<string, unknown>> {
  const response = await browser.fetch('/bff/user');
  return ((await response.json()) as { claims: Record<string, unknown> }).claims;
}

describe('a hook', () => {
  let hook: Upstream;
  let bff: TestBff;
  beforeAll(async () => {
    hook = await startUpstream();
    bff = await startBff({
      store: 'memory',
      authorizationServer: { people },
      login: { hook: { url: `${hook.url}/sign-in`, token, timeout: '500ms' } },
    });
  });
  afterAll(() => Promise.all([bff.close(), hook.close()]));
  beforeEach(() => {
    hook.requests.length = 0;
    bff.authorizationServer.requests.length = 0;
  });

  const refusedWith = async (handler: Handler, browser = bff.browser()) => {
    hook.handler = handler;
    const page = await bff.signIn(browser);
    return [page.status, errorCode(page)];
  };
  const metrics = async () => figuresIn(await (await fetch(`${bff.managementUrl}/metrics`)).text());

  it('is told who signs in, and proves nothing but the token', async () => {
    hook.handler = claims({});
    await bff.signedIn();
    const { method, url, headers, body } = hook.last;
    expect([hook.requests.length, method, url]).toEqual([1, 'POST', '/sign-in']);
    expect(headers).toMatchObject({
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
    });
    expect(JSON.parse(body.toString())).toEqual({
      event: 'sign_in',
      provider: 'corp',
      sub: 'alice',
      claims: expect.objectContaining({ sub: 'alice', ...people.alice }),
    });
    expect(body.toString()).not.toMatch(/"(nonce|aud|iss|exp)"/);
  });

  it('adds, replaces and removes claims, but none that say who it is', async () => {
    hook.handler = claims({
      roles: ['admin'],
      name: 'Alice of the hook',
      groups: null,
      unknown: null,
      sub: 'mallory',
      iss: 'https://evil.example',
      sid: 'x',
      email_verified: false,
    });
    const browser = await bff.signedIn();
    expect(await claimsOf(browser)).toEqual({
      sub: 'alice',
      name: 'Alice of the hook',
      email: 'alice@example.com',
      email_verified: true,
      roles: ['admin'],
    });
    expect(await whoIs(browser)).toBe('alice');
  });

  it.each(['text/plain', ''])('may answer with the content type "%s"', async (type) => {
    hook.handler = respondWith(200, '{"claims":{"roles":["admin"]}}', { 'content-type': type });
    expect(await claimsOf(await bff.signedIn())).toMatchObject({ roles: ['admin'] });
  });

  it('refuses a user with 403, whatever the body says or fails to say', async () => {
    for (const handler of [
      respondWith(403),
      respondWith(403, { claims: { roles: ['admin'] } }),
      ((_request, response) => response.writeHead(403).write('…')) satisfies Handler,
    ])
      expect(await refusedWith(handler)).toEqual([403, 'not_allowed']);
  });

  it.each([
    ['500', respondWith(500)],
    ['401, when the token is wrong', respondWith(401)],
    ['204', respondWith(204)],
    ['201', respondWith(201, { claims: {} })],
    ['a redirect', redirectTo('/elsewhere', 307)],
    ['an empty body', respondWith(200, '', { 'content-type': 'application/json' })],
    ['no JSON', respondWith(200, '<html>', { 'content-type': 'application/json' })],
    ['no claims', respondWith(200, {})],
    ['null', respondWith(200, 'null', { 'content-type': 'application/json' })],
    ['claims that are null', claims(null)],
    ['claims that are a list', claims([])],
    ['claims that are text', claims('admin')],
    ['a claim that is nested without end', spelled(`{"a":${'['.repeat(9000)}${']'.repeat(9000)}}`)],
    ['a number without end', spelled('{"level":1e999}')],
    ['a number that would be rounded', spelled('{"id":12345678901234567890}')],
    ['more than 64 KB', claims({ big: 'x'.repeat(64 * 1024) })],
    [
      'a compressed body',
      respondWith(200, 'x', { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
    ],
    ['a reset connection', hangUp()],
    ['silence', hang()],
  ] as [string, Handler][])('that answers with %s is unavailable', async (_, handler) => {
    const before = bff.logs.lines.length;
    expect(await refusedWith(handler)).toEqual([503, 'hook_unavailable']);
    expect(hook.requests).toHaveLength(1);
    expect(bff.logs.lines.slice(before)).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: 'hook unavailable', provider: 'corp' }),
    );
  });

  it('that sends its body drop by drop is given up in time', async () => {
    const drops: Handler = async (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      for (const drop of '{"claims":{"roles":["admin"]}}') {
        if (response.destroyed) return;
        response.write(drop);
        await delay(100, undefined, { ref: false });
      }
      response.end();
    };
    const begun = performance.now();
    expect(await refusedWith(drops)).toEqual([503, 'hook_unavailable']);
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  it('that is down says when to try again', async () => {
    hook.handler = respondWith(500);
    const page = await bff.signIn(bff.browser());
    expect(page.headers.get('retry-after')).toBe('5');
    expect(page.body).toContain('/bff/login');
  });

  it('pollutes no prototype', async () => {
    hook.handler = spelled(
      '{"__proto__":{"isAdmin":true},"constructor":{"name":"x"},"roles":["a"],"roles":["b"]}',
    );
    const found = await claimsOf(await bff.signedIn());
    expect(Object.keys(found)).not.toContain('__proto__');
    expect([found['isAdmin'], ({} as Record<string, unknown>)['isAdmin']]).toEqual([
      undefined,
      undefined,
    ]);
    expect(found).toMatchObject({ constructor: { name: 'x' }, roles: ['b'] });
  });

  it.each([
    ['refuses', respondWith(403)],
    ['is unavailable', respondWith(500)],
  ])('that %s leaves no session, and revokes the tokens', async (_, handler) => {
    const browser = bff.browser();
    await refusedWith(handler, browser);
    expect(await whoIs(browser)).toBeUndefined();
    expect(browser.cookies().map(({ name }) => name)).not.toContain('bff');
    const { authorizationServer } = bff;
    await waitFor(() => authorizationServer.requestsTo('revocation').length === 1);
    const [revoked] = authorizationServer.requestsTo('revocation');
    expect(revoked?.form.get('token_type_hint')).toBe('refresh_token');
  });

  it('that refuses leaves the session that the browser had, and its tokens', async () => {
    hook.handler = claims({ roles: ['first'] });
    const browser = await bff.signedIn();
    expect(await refusedWith(respondWith(403), browser)).toEqual([403, 'not_allowed']);
    expect(await refusedWith(hang(), browser)).toEqual([503, 'hook_unavailable']);
    expect(await claimsOf(browser)).toMatchObject({ roles: ['first'] });
    await waitFor(() => bff.authorizationServer.requestsTo('revocation').length === 2);
    const forms = bff.authorizationServer.requestsTo('revocation').map(({ form }) => form);
    // The session uses the same grant, which ends with any of its refresh tokens.
    expect(forms.map((form) => form.get('token_type_hint'))).toEqual([
      'access_token',
      'access_token',
    ]);
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });

  it('is counted, and neither its token nor a claim is logged', async () => {
    const before = await metrics();
    await refusedWith(claims({ diagnosis: 'secret-of-alice' }));
    await refusedWith(respondWith(403));
    await refusedWith(respondWith(200, 'secret-of-alice', { 'content-type': 'application/json' }));
    const after = await metrics();
    for (const outcome of ['claims', 'refused', 'unavailable']) {
      const name = `pixie_hook_calls_total{event="sign_in",outcome="${outcome}"}`;
      expect((after[name] ?? 0) - (before[name] ?? 0)).toBe(1);
    }
    expect(bff.logs.text).not.toContain(token);
    expect(bff.logs.text).not.toContain('secret-of-alice');
    expect(bff.logs.text).not.toContain('alice@example.com');
  });
});

describe('a hook over TLS', () => {
  it('is trusted by its own authority, and sees the client certificate', async () => {
    const server = testTls();
    const client = clientCertificate('bff');
    const hook = await startUpstream(claims({ roles: ['tls'] }), { tls: server });
    const start = (files: object) =>
      startBff({
        store: 'memory',
        login: { hook: { url: hook.url, token, ...files } },
      } as BffOverrides);
    try {
      await using bff = await start({
        ca: server.caFile,
        clientCert: client.certFile,
        clientKey: client.keyFile,
      });
      expect(await claimsOf(await bff.signedIn())).toMatchObject({ roles: ['tls'] });
      await using stranger = await start({ ca: server.caFile });
      expect(errorCode(await stranger.signIn(stranger.browser()))).toBe('hook_unavailable');
      await using distrustful = await start({});
      expect(errorCode(await distrustful.signIn(distrustful.browser()))).toBe('hook_unavailable');
      await expect(
        start({ clientCert: client.certFile, clientKey: server.keyFile }),
      ).rejects.toThrow(/login\.hook: ca, clientCert and clientKey cannot be used together/);
    } finally {
      await hook.close();
    }
  });
});

describe('a hook and a connected account', () => {
  it('adds to its claims, or keeps it out of the session', async () => {
    const hook = await startUpstream(claims({ roles: ['admin'] }));
    await using bff = await startBff({
      store: 'memory',
      providers: (usual) => [{ ...usual, id: 'main', clientId: 'main-client' }, usual],
      login: { hook: { url: hook.url, token } },
    });
    bff.authorizationServer.registerClient({
      ...bff.authorizationServer.client,
      client_id: 'main-client',
    });
    try {
      const browser = await bff.signedIn();
      const connected = async () => {
        await browser.navigate(`${bff.url}/bff/connect/corp`, { from: bff.url });
        const user = (await (await browser.fetch('/bff/user')).json()) as { connections?: unknown };
        return user.connections;
      };
      hook.handler = respondWith(403);
      expect(await connected()).toBeUndefined();
      hook.handler = claims({ team: 'a' });
      expect(await connected()).toEqual([
        { provider: 'corp', sub: 'alice', claims: expect.objectContaining({ team: 'a' }) },
      ]);
      expect(JSON.parse(hook.last.body.toString())).toMatchObject({
        event: 'sign_in',
        provider: 'corp',
      });
    } finally {
      await hook.close();
    }
  });
});
