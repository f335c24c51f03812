import {
  respondWith,
  hang,
  hangUp,
  type Handler,
  passOn,
  slowly,
} from '../support/upstream/responses.ts';
import {
  startAuthorizationServer,
  type AuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import {
  type CheckingUpstream,
  startCheckingUpstream,
} from '../support/upstream/checking-upstream.ts';
import { frozenClock, testClock } from '../support/time/clock.ts';
import { startNetwork } from '../support/redis/network.ts';
import { startRedis } from '../support/redis/server.ts';
import {
  exchangeGrant,
  extraTokenClaims,
  offerTokenExchange,
} from '../support/authorization-server/token-exchange.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { errorCode, keysOf, whoIs } from './steps.ts';

const second = 1000;
const reports = 'https://reports.example.com';
const orders = 'https://orders.example.com';

/**
 * An authorization server with all a route can ask for, an API that checks tokens, and a BFF with
 * this route to it.
 */
async function startRoute(
  route: Record<string, unknown>,
  { audience = reports, scope, ...overrides }: BffOverrides & Checks = {},
) {
  const server = await startAuthorizationServer({
    scopes: ['openid', 'offline_access', 'profile', 'email', 'read', 'write'],
    resources: { [reports]: { scope: 'read write' }, [orders]: { scope: 'read' } },
    clientCredentials: true,
    accessTokenSeconds: 60,
    configuration: (defaults) => ({ ...defaults, extraTokenClaims }),
    client: {
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials', exchangeGrant],
      scope: 'openid offline_access profile email read write',
    },
  });
  offerTokenExchange(server);
  const api = await startCheckingUpstream(server, audience, scope);
  const clock = testClock();
  const bff = await startBff({
    authorizationServer: server,
    clock: clock.now,
    routes: (usual) => [usual, { path: '/own', upstream: api.url, ...route }],
    ...overrides,
  });
  return {
    server,
    api,
    bff,
    clock,
    async [Symbol.asyncDispose]() {
      await bff.close();
      await api.close();
      await server.close();
    },
  };
}

interface Checks {
  readonly audience?: string;
  readonly scope?: string;
}

/** As many calls at once, spread over two replicas. */
async function together(
  bff: TestBff,
  browser: TestBrowser | undefined,
  count: number,
): Promise<number[]> {
  const ports = [bff.port, (await bff.replica()).port];
  const headers = { 'x-csrf': '1', ...(browser && { cookie: browser.cookieHeader() }) };
  const calls = Array.from({ length: count }, (_, n) =>
    fetch(`http://127.0.0.1:${ports[n % 2]}/own/x`, { headers }),
  );
  return (await Promise.all(calls)).map(({ status }) => status);
}

const grants = (server: AuthorizationServer, type: string) => server.tokenRequests(type).length;
const call = async (browser: TestBrowser, path = '/own/x') => {
  const response = await browser.fetch(path);
  const body = await response.text();
  return [response.status, errorCode({ body }) ?? body];
};
const tokensAt = (api: CheckingUpstream) =>
  new Set(api.requests.map(({ headers }) => headers.authorization)).size;

/** Every kind of token of a route, and the grant it is asked for with. */
const kinds: [string, string, Record<string, unknown>][] = [
  ['a resource', 'refresh_token', { resource: reports }],
  ['an exchange', exchangeGrant, { exchange: { audience: reports, scope: 'read' } }],
  ['the client', 'client_credentials', { token: 'client', resource: reports }],
];

describe.each(kinds)('a route with a token of its own, for %s,', (_, grant, route) => {
  it('requests it once, however many calls on however many replicas need it', async () => {
    await using all = await startRoute(route);
    const { server, api, bff } = all;
    const browser = await bff.signedIn();
    server.override('token', slowly(50, passOn()));
    const statuses = await together(bff, browser, 100);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect([grants(server, grant), tokensAt(api)]).toEqual([1, 1]);
    expect((await call(browser))[0]).toBe(200);
    expect(grants(server, grant)).toBe(1);
    // No refresh token came twice, which would have ended the grant.
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('requests another when it has expired', async () => {
    await using all = await startRoute(route);
    const { server, bff, clock } = all;
    const browser = await bff.signedIn();
    await call(browser);
    clock.advance(61 * second);
    const before = grants(server, grant);
    const statuses = await together(bff, browser, 60);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(grants(server, grant) - before).toBe(1);
  });

  it('replaces one that the API refuses before its time, and calls once more', async () => {
    await using all = await startRoute(route);
    const { server, api, bff } = all;
    const browser = await bff.signedIn();
    await call(browser);
    const { handler } = api;
    api.handler = (request, response, recorded) => {
      api.handler = handler;
      const challenge = { 'www-authenticate': 'Bearer error="invalid_token"' };
      return respondWith(401, '', challenge)(request, response, recorded);
    };
    expect(await call(browser)).toEqual([200, 'accepted']);
    expect([grants(server, grant), tokensAt(api)]).toEqual([2, 2]);
  });

  it('replaces it once for all whose calls are refused', async () => {
    await using all = await startRoute(route);
    const { server, api, bff } = all;
    const browser = await bff.signedIn();
    await call(browser);
    const { handler } = api;
    const first = api.last.headers.authorization;
    api.handler = (request, response, recorded) => {
      const challenge = { 'www-authenticate': 'Bearer error="invalid_token"' };
      const isFirst = request.headers.authorization === first;
      return (isFirst ? respondWith(401, '', challenge) : handler)(request, response, recorded);
    };
    expect(new Set(await together(bff, browser, 40))).toEqual(new Set([200]));
    expect(grants(server, grant)).toBe(2);
  });

  it('replaces one in 30 seconds where the API refuses every token', async () => {
    const clock = frozenClock();
    await using all = await startRoute(route, { clock: clock.now });
    const { server, api, bff } = all;
    const browser = await bff.signedIn();
    api.handler = respondWith(401, 'no', { 'www-authenticate': 'Bearer error="invalid_token"' });
    for (const expected of [2, 3]) {
      for (let round = 0; round < 3; round += 1) {
        expect(new Set(await together(bff, browser, 20))).toEqual(new Set([401]));
      }
      // The upstream's 401 is relayed.
      expect(await call(browser)).toEqual([401, 'no']);
      expect(grants(server, grant)).toBe(expected);
      clock.advance(29 * second);
      expect(await call(browser)).toEqual([401, 'no']);
      expect(grants(server, grant)).toBe(expected);
      clock.advance(second);
      server.transform('token', (json) => ({ ...json, expires_in: 3600 }));
    }
    // The session continues.
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('replaces it once although the provider issues the same access token again', async () => {
    await using all = await startRoute(route);
    const { server, api, bff } = all;
    const browser = await bff.signedIn();
    await call(browser);
    const [, same] = (api.last.headers.authorization ?? '').split(' ');
    server.transform('token', (json) => ({ ...json, access_token: same, id_token: undefined }));
    api.handler = respondWith(401, 'no', { 'www-authenticate': 'Bearer error="invalid_token"' });
    for (let round = 0; round < 3; round += 1) await together(bff, browser, 20);
    expect(grants(server, grant)).toBe(2);
  });

  it('is 503 while the provider is down, keeps the session, and works when it is back', async () => {
    await using all = await startRoute(route);
    const { server, api, bff, clock } = all;
    const browser = await bff.signedIn();
    server.override('token', respondWith(503, ''));
    const failed = await browser.fetch('/own/x');
    expect([failed.status, errorCode({ body: await failed.text() })]).toEqual([
      503,
      'provider_unavailable',
    ]);
    expect(failed.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(failed.headers.get('set-cookie')).toBeNull();
    // Left alone for a moment, the provider is not asked for every call.
    const before = server.tokenRequests().length;
    expect((await call(browser))[0]).toBe(503);
    expect(server.tokenRequests()).toHaveLength(before);
    expect(api.requests).toEqual([]);

    server.override('token', undefined);
    clock.advance(2 * second);
    expect(await call(browser)).toEqual([200, 'accepted']);
  });

  it('keeps no call waiting while the provider hangs', async () => {
    await using all = await startRoute(route, { provider: { timeout: '3s' } });
    const { server, bff, clock } = all;
    const browser = await bff.signedIn();
    server.override('*', hang());
    const begun = performance.now();
    const calls = await Promise.all(Array.from({ length: 10 }, () => call(browser)));
    expect(new Set(calls.map(String))).toEqual(new Set(['503,provider_unavailable']));
    expect(performance.now() - begun).toBeLessThan(4000);
    server.override('*', undefined);
    // The request that hangs has to be given up first.
    await waitFor(async () => {
      clock.advance(2 * second);
      return (await call(browser))[0] === 200;
    });
  });

  it('serves on with a token that still holds while the provider is down', async () => {
    await using all = await startRoute(route);
    const { server, bff, clock } = all;
    const browser = await bff.signedIn();
    await call(browser);
    const before = grants(server, grant);
    server.override('token', respondWith(503, ''));
    clock.advance(56 * second);
    expect((await call(browser))[0]).toBe(200);
    await waitFor(() => grants(server, grant) === before + 1);
    expect((await call(browser))[0]).toBe(200);
  });

  it('replaces it ahead of its end, while the call goes on', async () => {
    await using all = await startRoute(route);
    const { bff, api, clock } = all;
    const browser = await bff.signedIn();
    await call(browser);
    clock.advance(56 * second);
    await waitFor(async () => {
      await call(browser);
      return tokensAt(api) === 2;
    });
    expect(new Set(api.accepted.map(({ jti }) => jti)).size).toBe(2);
  });

  it('gives a signed-out user no token, and requires the CSRF header', async () => {
    await using all = await startRoute(route);
    const { bff, api } = all;
    expect(await call(bff.browser())).toEqual([401, 'not_signed_in']);
    const browser = await bff.signedIn();
    const forged = await browser.fetch('/own/x', { headers: { 'x-csrf': null } });
    expect(forged.status).toBe(403);
    await call(browser);
    expect((await browser.fetch('/bff/logout', { method: 'POST' })).status).toBe(200);
    const before = api.requests.length;
    expect(await call(browser)).toEqual([401, 'not_signed_in']);
    expect(api.requests).toHaveLength(before);
    expect(await keysOf(bff, 'session')).toEqual([]);
  });

  it.each(['invalid_scope', 'invalid_target', 'unauthorized_client'])(
    'is 403 when the provider says %s, and no logout',
    async (error) => {
      await using all = await startRoute(route);
      const { server, bff, api, clock } = all;
      const browser = await bff.signedIn();
      server.override('token', respondWith(400, { error }));
      expect(await call(browser)).toEqual([403, 'token_refused']);
      const before = server.tokenRequests().length;
      expect(await call(browser)).toEqual([403, 'token_refused']);
      expect(server.tokenRequests()).toHaveLength(before);
      expect(api.requests).toEqual([]);
      server.override('token', undefined);
      expect((await browser.fetch('/api/x')).status).toBe(200);
      clock.advance(2 * second);
      expect(await call(browser)).toEqual([200, 'accepted']);
    },
  );

  it('keeps no token in Redis that could be read there', async () => {
    await using all = await startRoute(route);
    const { bff, api } = all;
    await call(await bff.signedIn());
    const [, token = ''] = (api.last.headers.authorization ?? '').split(' ');
    expect(token.length).toBeGreaterThan(20);
    expect(JSON.stringify([...(await bff.redis.dump())])).not.toContain(token);
    expect(bff.logs.text).not.toContain(token);
  });
});

/** Uses a handler for token requests of routes. Other token requests go to the real server. */
function onlyForRoutes(handler: Handler): Handler {
  return async (request, response, recorded) => {
    await recorded.ended;
    const { form } = recorded;
    const isForRoute = form.has('resource') || form.get('grant_type') !== 'refresh_token';
    return isForRoute ? handler(request, response, recorded) : 'continue';
  };
}

const failures: [string, Handler][] = [
  ['is 503', respondWith(503, '')],
  ['is 429 with Retry-After', respondWith(429, {}, { 'retry-after': '120' })],
  ['is 401 invalid_client', respondWith(401, { error: 'invalid_client' })],
  ['is cut off', hangUp()],
  ['does not come in time', hang()],
];
const attempts = kinds.flatMap(([what, , route]) =>
  failures.map(([failure, handler]) => [what, failure, route, handler] as const),
);

describe('backoff per kind of request', () => {
  const api = async (browser: TestBrowser) => (await browser.fetch('/api/x')).status;

  it.each(attempts)(
    'lets no request for %s whose response %s pause refreshes',
    async (_, __, route, handler) => {
      await using all = await startRoute(route, { provider: { timeout: '1s' } });
      const { server, bff, clock } = all;
      const [alice, bob] = [await bff.signedIn(), await bff.signedIn('bob')];
      clock.advance(61 * second);
      server.override('token', onlyForRoutes(handler));
      expect(await call(alice)).toEqual([503, 'provider_unavailable']);
      expect([await api(alice), await api(bob)]).toEqual([200, 200]);
      // The request that failed is paused, and still fails when refreshes have worked.
      const before = server.tokenRequests().length;
      expect((await call(alice))[0]).toBe(503);
      expect(server.tokenRequests()).toHaveLength(before);
    },
  );

  it('pauses an exchange that the provider cannot serve for all sessions', async () => {
    await using all = await startRoute({ exchange: { audience: reports, scope: 'read' } });
    const { server, bff, clock } = all;
    const [alice, bob] = [await bff.signedIn(), await bff.signedIn('bob')];
    server.override('token', respondWith(429, {}, { 'retry-after': '120' }));
    expect([(await call(alice))[0], (await call(bob))[0]]).toEqual([503, 503]);
    expect(grants(server, exchangeGrant)).toBe(1);
    server.override('token', undefined);
    clock.advance(119 * second);
    expect((await call(bob))[0]).toBe(503);
    clock.advance(second);
    expect([(await call(alice))[0], (await call(bob))[0]]).toEqual([200, 200]);
  });

  it('lets no refresh that fails pause exchanges', async () => {
    await using all = await startRoute({ exchange: { audience: reports, scope: 'read' } });
    const { server, bff, clock } = all;
    const bob = await bff.signedIn('bob');
    clock.advance(61 * second);
    const alice = await bff.signedIn();
    server.override('token', respondWith(503, ''));
    expect(await api(bob)).toBe(503);
    server.override('token', undefined);
    expect([await api(bob), (await call(alice))[0]]).toEqual([503, 200]);
    // A response to another kind of request says nothing about refreshes.
    expect(await api(bob)).toBe(503);
  });

  it('pauses every kind while the provider cannot be reached at all', async () => {
    await using all = await startRoute({ exchange: { audience: reports, scope: 'read' } });
    const { server, bff, clock } = all;
    const bob = await bff.signedIn('bob');
    clock.advance(61 * second);
    const alice = await bff.signedIn();
    await server.goDown();
    expect((await call(alice))[0]).toBe(503);
    await server.comeBack();
    const before = server.tokenRequests().length;
    expect(await api(bob)).toBe(503);
    expect(server.tokenRequests()).toHaveLength(before);
    clock.advance(second);
    expect([await api(bob), (await call(alice))[0]]).toEqual([200, 200]);
  });
});

describe('resource', () => {
  it('gives two routes two tokens, and neither to the other', async () => {
    await using first = await startRoute({ resource: reports, scope: 'read' }, { scope: 'read' });
    const { server, api } = first;
    const other = await startCheckingUpstream(server, orders, 'read');
    await using bff = await startBff({
      authorizationServer: server,
      routes: (usual) => [
        usual,
        { path: '/reports', upstream: api.url, resource: reports, scope: 'read' },
        { path: '/orders', upstream: other.url, resource: orders, scope: 'read' },
        { path: '/orders/again', upstream: other.url, resource: orders, scope: 'read' },
      ],
    });
    const browser = await bff.signedIn();
    const { query } = server.authorizationRequests().at(-1) ?? {};
    expect(query?.getAll('resource')).toEqual([reports, orders]);
    expect(query?.get('scope')).toBe('openid profile email offline_access read');
    const paths = ['/reports/x', '/orders/x', '/orders/again/x', '/api/x'];
    const calls = paths.flatMap((path) => Array.from({ length: 10 }, () => browser.fetch(path)));
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    const resources = server.tokenRequests('refresh_token').map(({ form }) => form.get('resource'));
    expect(resources.toSorted()).toEqual([orders, reports]);
    expect([tokensAt(api), tokensAt(other)]).toEqual([1, 1]);
    expect(new Set(bff.upstream.requests.map(({ headers }) => headers.authorization)).size).toBe(1);
    await other.close();
  });

  it('leaves the token of the sign-in as it is, though the refresh token is spent', async () => {
    await using all = await startRoute({ resource: reports });
    const { server, bff, clock } = all;
    const browser = await bff.signedIn();
    await browser.fetch('/api/x');
    const { authorization } = bff.upstream.last.headers;
    await call(browser);
    await browser.fetch('/api/x');
    expect(bff.upstream.last.headers.authorization).toBe(authorization);
    clock.advance(61 * second);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect((await call(browser))[0]).toBe(200);
    const spent = server
      .tokenRequests('refresh_token')
      .map(({ form }) => form.get('refresh_token'));
    expect([spent.length, new Set(spent).size]).toEqual([3, 3]);
  });

  it('ends the session when the provider says that the grant is over', async () => {
    await using all = await startRoute({ resource: reports });
    const { server, bff } = all;
    const browser = await bff.signedIn();
    server.revokeEverything();
    expect(await call(browser)).toEqual([401, 'not_signed_in']);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('is 403 and no endless sign-in where there is no refresh token', async () => {
    await using all = await startRoute({ resource: reports });
    const { server, bff } = all;
    server.registerClient({ grant_types: ['authorization_code'] });
    const browser = await bff.signedIn();
    expect(await call(browser)).toEqual([403, 'token_refused']);
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });

  it('loses nothing although Redis goes away just when the provider has responded', async () => {
    const redis = await startRedis();
    const network = await startNetwork(redis.port);
    {
      await using all = await startRoute({ resource: reports }, { redis: { url: network.url } });
      const { server, bff } = all;
      const browser = await bff.signedIn();
      server.transform('token', async (json) => {
        await network.refuse();
        return json;
      });
      expect(await call(browser)).toEqual([503, 'session_store_unavailable']);
      server.transform('token', undefined);
      await network.restore();
      await waitFor(async () => (await call(browser))[0] === 200);
      expect(grants(server, 'refresh_token')).toBe(1);
      expect((await browser.fetch('/api/x')).status).toBe(200);
    }
    network.close();
    await redis.stop();
  });

  it('does not bring a session back that was signed out meanwhile', async () => {
    await using all = await startRoute({ resource: reports });
    const { server, bff } = all;
    const browser = await bff.signedIn();
    const signedOut = Promise.withResolvers<void>();
    server.transform('token', async (json) => {
      await signedOut.promise;
      return json;
    });
    const late = call(browser);
    await waitFor(() => grants(server, 'refresh_token') === 1);
    await browser.fetch('/bff/logout', { method: 'POST' });
    signedOut.resolve();
    expect((await late)[0]).toBe(401);
    expect(await keysOf(bff, 'session')).toEqual([]);
    await waitFor(() => server.requestsTo('revocation').length === 2);
  });
});

describe('scope', () => {
  it('narrows the token of the sign-in', async () => {
    await using all = await startRoute({ scope: 'read' });
    const { server, bff } = all;
    const browser = await bff.signedIn();
    await call(browser);
    const [request] = server.tokenRequests('refresh_token');
    expect(request?.form.get('scope')).toBe('read');
    expect(request?.form.has('resource')).toBe(false);
    const query = server.authorizationRequests()[0]?.query;
    expect([query?.get('scope'), query?.has('resource')]).toEqual([
      'openid profile email offline_access read',
      false,
    ]);
  });
});

describe('exchange', () => {
  const exchange = { audience: reports, scope: 'read' };

  it('sends the API a token for its audience and scope, of the same user', async () => {
    await using all = await startRoute({ exchange }, { scope: 'read' });
    const { server, bff, api } = all;
    expect(await call(await bff.signedIn('bob'))).toEqual([200, 'accepted']);
    expect(api.accepted[0]).toMatchObject({ sub: 'bob', aud: reports, scope: 'read' });
    expect(api.accepted[0]).not.toHaveProperty('act');
    const [request] = server.tokenRequests(exchangeGrant);
    expect(request?.headers.authorization).toMatch(/^Basic /);
    expect(Object.fromEntries(request?.form ?? [])).toEqual({
      grant_type: exchangeGrant,
      subject_token: expect.any(String),
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: reports,
      scope: 'read',
    });
    await expect(server.subjectOf(request?.form.get('subject_token') ?? '')).resolves.toBe('bob');
  });

  it('names the BFF as who acts for the user, where that is wanted', async () => {
    await using all = await startRoute({ exchange: { ...exchange, actor: 'client' } });
    const { server, bff, api } = all;
    const [alice, bob] = [await bff.signedIn(), await bff.signedIn('bob')];
    expect((await call(alice))[0]).toBe(200);
    expect((await call(bob))[0]).toBe(200);
    const act = { sub: server.clientId };
    expect(api.accepted).toMatchObject([
      { sub: 'alice', act },
      { sub: 'bob', act },
    ]);
    expect([grants(server, 'client_credentials'), grants(server, exchangeGrant)]).toEqual([1, 2]);
  });

  it('exchanges a token that is valid: one whose time is over is refreshed before', async () => {
    await using all = await startRoute({ exchange });
    const { server, bff, clock } = all;
    const browser = await bff.signedIn();
    clock.advance(61 * second);
    expect((await call(browser))[0]).toBe(200);
    const types = server.tokenRequests().map(({ form }) => form.get('grant_type'));
    expect(types).toEqual(['authorization_code', 'refresh_token', exchangeGrant]);
  });

  it('is 403 for an audience that the provider refuses, and the session stays', async () => {
    await using all = await startRoute({ exchange: { audience: 'https://forbidden.example' } });
    const { bff } = all;
    const browser = await bff.signedIn();
    expect(await call(browser)).toEqual([403, 'token_refused']);
    await expect(whoIs(browser)).resolves.toBe('alice');
    const logged = bff.logs.lines.find(({ msg }) => msg === 'token refused');
    expect(logged).toMatchObject({ provider: 'corp', reason: 'the provider says invalid_target' });
    expect(bff.logs.text).not.toContain('not for you');
  });

  it.each([
    ['a refresh token', 'urn:ietf:params:oauth:token-type:refresh_token'],
    ['nothing that it names', undefined],
  ])('never sends the API %s in the place of an access token', async (_, type) => {
    await using all = await startRoute({ exchange });
    const { server, bff, api } = all;
    const browser = await bff.signedIn();
    server.transform('token', (json) => ({ ...json, issued_token_type: type }));
    expect(await call(browser)).toEqual([503, 'provider_unavailable']);
    expect(api.requests).toEqual([]);
  });
});

describe('token: client', () => {
  it('sends signed-in users’ calls with the authority of the application', async () => {
    await using all = await startRoute({ token: 'client', resource: reports, scope: 'read' });
    const { server, bff, api } = all;
    for (const person of ['alice', 'bob'])
      expect(await call(await bff.signedIn(person))).toEqual([200, 'accepted']);
    expect(api.accepted[0]).toMatchObject({ client_id: server.clientId, scope: 'read' });
    expect(grants(server, 'client_credentials')).toBe(1);
    expect([...(await bff.redis.dump()).keys()].filter((key) => /client:/.test(key))).toHaveLength(
      1,
    );
    expect(server.authorizationRequests()[0]?.query.has('resource')).toBe(false);
  });

  it('sends all calls with session: none, and reads no cookie', async () => {
    await using all = await startRoute({ token: 'client', session: 'none', resource: reports });
    const { server, bff } = all;
    expect(new Set(await together(bff, undefined, 50))).toEqual(new Set([200]));
    expect(grants(server, 'client_credentials')).toBe(1);
    expect((await fetch(`http://127.0.0.1:${bff.port}/own/x`)).status).toBe(403);
  });

  it('is requested anew when a process starts after its end, not before', async () => {
    await using all = await startRoute({ token: 'client', session: 'none', resource: reports });
    const { server, bff, clock } = all;
    await together(bff, undefined, 2);
    await bff.stop();
    await bff.start();
    expect((await call(bff.browser()))[0]).toBe(200);
    expect(grants(server, 'client_credentials')).toBe(1);
    clock.advance(61 * second);
    expect((await call(bff.browser()))[0]).toBe(200);
    expect(grants(server, 'client_credentials')).toBe(2);
  });
});
