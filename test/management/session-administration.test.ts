import { request } from 'node:http';
import { startAuthorizationServer } from '../support/authorization-server/authorization-server.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { startRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { untilCallback, visitCallback, whoIs } from '../flows/steps.ts';

const token = 'a management token, 16 bytes'.replaceAll(/\W/g, '~');

interface Entry {
  readonly id: string;
  readonly sub: string;
  readonly provider: string;
  readonly lastSeenAt: string;
}

/** What the operator is answered. Without a header of their own the right token is sent. */
async function send(
  bff: TestBff,
  method: string,
  path: string,
  authorization: string | undefined = `Bearer ${token}`,
) {
  const headers = new Headers(authorization ? { authorization } : {});
  const response = await fetch(bff.managementUrl + path, { method, headers });
  const text = await response.text();
  expect(response.headers.get('cache-control')).toBe('no-store');
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: (text ? JSON.parse(text) : undefined) as Entry[],
  };
}

async function idOf(browser: TestBrowser): Promise<string> {
  const user = (await (await browser.fetch('/bff/user')).json()) as { session: { id: string } };
  return user.session.id;
}

const everyCall: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/sessions?sub=alice'],
  ['DELETE', '/sessions?sub=alice'],
  ['DELETE', '/sessions/x'],
];

/** A line of the log, whole. */
const line = (level: string, more: object) => ({
  level,
  time: expect.any(String),
  context: 'ManagementServer',
  ...more,
});

describe('the administration of sessions', () => {
  let bff: TestBff;
  let replica: TestBff;
  let [phone, laptop, bob]: TestBrowser[] = [];
  beforeAll(async () => {
    bff = await startBff({ management: { token } });
    replica = await bff.replica();
  });
  afterAll(() => bff.close());
  beforeEach(async () => {
    await bff.redis.clear();
    phone = await bff.signedIn();
    laptop = await bff.signedIn('alice', bff.browser().via(replica.port));
    bob = await bff.signedIn('bob');
    bff.authorizationServer.requests.length = 0;
  });

  const signedIn = async () =>
    Promise.all([phone, laptop, bob].map(async (browser) => browser && whoIs(browser)));
  const idOfPhone = () => idOf(phone as TestBrowser);
  const revocations = () => bff.authorizationServer.requestsTo('revocation').length;

  it('lists the sessions of a subject on every replica, the newest first', async () => {
    const { status, headers, body } = await send(bff, 'GET', '/sessions?sub=alice');
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json']);
    const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const entry = {
      sub: 'alice',
      current: false,
      provider: 'corp',
      createdAt: isoTime,
      lastSeenAt: isoTime,
      expiresAt: isoTime,
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64) LittleBrowser/1.0',
    };
    const ids = [await idOf(laptop as TestBrowser), await idOfPhone()];
    expect(body).toEqual(ids.map((id) => ({ id, ...entry })));
    expect((await send(bff, 'GET', '/sessions?sub=nobody')).body).toEqual([]);
    const head = await send(bff, 'HEAD', '/sessions?sub=alice');
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('is no sign of life of those who are looked at', async () => {
    const lastSeen = async (at: TestBff) => {
      const { body } = await send(at, 'GET', '/sessions?sub=alice');
      return body.map(({ id, lastSeenAt }) => ({ id, at: Date.parse(lastSeenAt) }));
    };
    const before = await lastSeen(bff);
    await waitFor(() => Date.now() > (before[0]?.at ?? 0) + 200);
    const after = await lastSeen(replica);
    expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    // Redis counts in whole milliseconds, and is asked at another time.
    const steps = after.map(({ at }, index) => Math.abs(at - (before[index]?.at ?? 0)));
    expect(Math.max(...steps)).toBeLessThan(50);
  });

  it('ends one session on every replica and revokes its tokens', async () => {
    const ended = await send(replica, 'DELETE', `/sessions/${await idOfPhone()}`);
    expect([ended.status, ended.text]).toEqual([204, '']);
    expect(await signedIn()).toEqual([undefined, 'alice', 'bob']);
    await waitFor(() => expect(revocations()).toBe(1));
  });

  it('ends all sessions of a subject on every replica and revokes their tokens', async () => {
    const ended = await send(bff, 'DELETE', '/sessions?sub=alice');
    expect([ended.status, ended.text]).toEqual([204, '']);
    expect(await signedIn()).toEqual([undefined, undefined, 'bob']);
    await waitFor(() => expect(revocations()).toBe(2));
    expect((await send(bff, 'DELETE', '/sessions?sub=alice')).status).toBe(204);
    expect(await whoIs(await bff.signedIn())).toBe('alice');
  });

  it('ends a sign-in under way as well, when all sessions of its subject end', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, { login_hint: 'alice' });
    bff.authorizationServer.override('token', async () => {
      bff.authorizationServer.override('token', undefined);
      await send(replica, 'DELETE', '/sessions?sub=alice');
      return 'continue';
    });
    const page = await visitCallback(bff, browser, callback);
    expect(page.status).toBe(400);
    expect(await whoIs(browser)).toBeUndefined();
  });

  it.each([
    ['an unknown id', 'A'.repeat(43)],
    ['an id with odd characters', '%7B%7D*'],
  ])('knows no session of %s', async (_, id) => {
    const { status, text } = await send(bff, 'DELETE', `/sessions/${id}`);
    expect([status, text]).toEqual([404, '{"status":"not found"}']);
    expect(await signedIn()).toEqual(['alice', 'alice', 'bob']);
  });

  it.each(['', '?sub=', '?sub=alice&sub=bob', '?sub=alice&sub=', '?SUB=alice', '?sub[]=alice'])(
    'needs exactly one sub, not "%s"',
    async (query) => {
      for (const method of ['GET', 'DELETE'])
        expect((await send(bff, method, `/sessions${query}`)).status).toBe(400);
      expect(await signedIn()).toEqual(['alice', 'alice', 'bob']);
    },
  );

  it.each([
    ['none', ''],
    ['another token', 'Bearer another-management-token-'],
    ['the beginning of the token', `Bearer ${token.slice(0, -1)}`],
    ['more than the token', `Bearer ${token}x`],
    ['the token without its scheme', token],
    ['another scheme', `Basic ${token}`],
    ['the token twice', `Bearer ${token} ${token}`],
    ['an empty token', 'Bearer '],
  ])('with %s is 401', async (_, authorization) => {
    for (const [method, path] of [...everyCall, ['PUT', '/sessions'] as const]) {
      const { status, headers, text } = await send(bff, method, path, authorization);
      expect([status, text]).toEqual([401, '{"status":"unauthorized"}']);
      expect(headers.get('www-authenticate')).toBe('Bearer');
    }
    expect(await signedIn()).toEqual(['alice', 'alice', 'bob']);
  });

  it('takes the scheme in any case (RFC 9110 §11.1)', async () => {
    expect((await send(bff, 'GET', '/sessions?sub=bob', `bearer ${token}`)).status).toBe(200);
  });

  it.each([
    ['POST', '/sessions?sub=alice', 'GET, HEAD, DELETE'],
    ['OPTIONS', '/sessions', 'GET, HEAD, DELETE'],
    ['GET', '/sessions/x', 'DELETE'],
    ['HEAD', '/sessions/x', 'DELETE'],
  ])('refuses %s %s and says what is allowed', async (method, path, allow) => {
    const { status, headers } = await send(bff, method, path);
    expect([status, headers.get('allow')]).toEqual([405, allow]);
  });

  it.each(['/sessions/', '/sessions/a/b', '/Sessions', '//sessions', '/sessionsx'])(
    'knows no %s',
    async (path) => {
      expect((await send(bff, 'DELETE', `${path}?sub=alice`)).status).toBe(404);
      expect(await signedIn()).toEqual(['alice', 'alice', 'bob']);
    },
  );

  it('is not to be had on the public port', async () => {
    const browser = bff.browser();
    const headers = { authorization: `Bearer ${token}` };
    for (const [method, path] of everyCall)
      expect((await browser.fetch(path, { method, headers })).status).toBe(404);
    expect((await browser.fetch('/bff/sessions', { headers })).status).toBe(401);
  });

  it('logs the number of sessions, but neither the user nor the operator', async () => {
    // In one process the newest application logs for all, outside of requests to the public port.
    const { logs } = replica;
    const before = logs.lines.length;
    await send(bff, 'GET', '/sessions?sub=alice');
    await send(bff, 'DELETE', `/sessions/${await idOfPhone()}`);
    await send(bff, 'DELETE', '/sessions?sub=alice');
    await send(bff, 'GET', '/sessions?sub=alice', 'Bearer wrong-token');
    const lines = logs.lines.slice(before).filter(({ context }) => context === 'ManagementServer');
    expect(lines).toEqual([
      line('info', { msg: 'sessions listed by the operator', subjects: 1, sessions: 2 }),
      line('info', { msg: 'sessions ended by the operator', subjects: 1, sessions: 1 }),
      line('info', { msg: 'sessions ended by the operator', subjects: 1, sessions: 1 }),
      line('warn', { msg: 'session administration without the token refused' }),
    ]);
    for (const word of ['alice', token, 'wrong-token'])
      expect(JSON.stringify(lines)).not.toContain(word);
  });
});

describe('elsewhere, the administration of sessions', () => {
  it('does not exist without a token in the configuration', async () => {
    await using bff = await startBff({ store: 'memory' });
    const browser = await bff.signedIn();
    for (const authorization of ['', 'Bearer ', 'Bearer undefined', `Bearer ${token}`])
      for (const [method, path] of [...everyCall, ['PUT', '/sessions'] as const]) {
        const { status, text, headers } = await send(bff, method, path, authorization);
        expect([status, text]).toEqual([404, '{"status":"not found"}']);
        expect(headers.has('www-authenticate')).toBe(false);
      }
    expect(await whoIs(browser)).toBe('alice');
  });

  it('looks for a sub at every issuer', async () => {
    const partner = await startAuthorizationServer();
    await using bff = await startBff({
      store: 'memory',
      management: { token },
      providers: (usual) => [usual, { ...usual, id: 'partner', issuer: partner.issuer }],
    });
    partner.registerClient({ redirect_uris: [`${bff.url}/bff/callback/partner`] });
    const [here, there] = [await bff.signedIn(), bff.browser()];
    await bff.signIn(there, { provider: 'partner' });
    const { body } = await send(bff, 'GET', '/sessions?sub=alice');
    expect(body.map(({ provider, sub }) => [provider, sub])).toEqual([
      ['partner', 'alice'],
      ['corp', 'alice'],
    ]);
    expect((await send(bff, 'DELETE', '/sessions?sub=alice')).status).toBe(204);
    expect([await whoIs(here), await whoIs(there)]).toEqual([undefined, undefined]);
    expect(bff.logs.lines).toContainEqual(expect.objectContaining({ subjects: 2, sessions: 2 }));
    await partner.close();
  });

  it('takes a sub with any characters', async () => {
    const sub = 'auth0|one&two+3 %2F"#';
    await using bff = await startBff({
      store: 'memory',
      management: { token },
      authorizationServer: { people: { [sub]: { name: 'Odd' } } },
    });
    await bff.signedIn(sub);
    const query = `/sessions?sub=${encodeURIComponent(sub)}`;
    expect((await send(bff, 'GET', query)).body).toEqual([expect.objectContaining({ sub })]);
    expect((await send(bff, 'DELETE', query)).status).toBe(204);
    expect((await send(bff, 'GET', query)).body).toEqual([]);
  });

  it('is 503 with Retry-After while Redis is away, and recovers by itself', async () => {
    const redis = await startRedis();
    await using bff = await startBff({ redis: { url: redis.url }, management: { token } });
    const browser = await bff.signedIn();
    redis.pause();
    try {
      for (const [method, path] of everyCall) {
        const { status, headers, text } = await send(bff, method, path);
        expect([status, text]).toEqual([503, '{"status":"unavailable"}']);
        expect(headers.get('retry-after')).toMatch(/^\d+$/);
      }
    } finally {
      redis.resume();
    }
    expect(bff.logs.text).toContain('session administration failed');
    await waitFor(async () => (await send(bff, 'GET', '/sessions?sub=alice')).status === 200);
    expect(await whoIs(browser)).toBe('alice');
    await bff.close();
    await redis.stop();
  });

  it('reads the first of several Authorization headers, as Node.js does', async () => {
    await using bff = await startBff({ store: 'memory', management: { token } });
    const status = (headers: string[]) =>
      new Promise((resolve, reject) => {
        const path = `${bff.managementUrl}/sessions?sub=alice`;
        const outgoing = request(
          path,
          { headers: ['Host', '127.0.0.1', ...headers] },
          (response) => {
            response.resume();
            resolve(response.statusCode);
          },
        );
        outgoing.once('error', reject).end();
      });
    const right = ['Authorization', `Bearer ${token}`];
    const wrong = ['Authorization', 'Bearer wrong'];
    expect(await status([...wrong, ...right])).toBe(401);
  });
});
