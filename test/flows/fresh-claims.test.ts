import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import { figuresIn } from '../support/bff/metrics.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { testClock } from '../support/time/clock.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { respondWith, hang, passOn, slowly } from '../support/upstream/responses.ts';
import { startUpstream } from '../support/upstream/upstream.ts';
import { whoIs } from './steps.ts';

const second = 1000;

interface User {
  readonly sub: string;
  readonly claims: Record<string, unknown>;
  readonly session: { readonly accessTokenExpiresAt?: string };
}

const userOf = async (browser: TestBrowser) =>
  (await (await browser.fetch('/bff/user')).json()) as User;
const claimsOf = async (browser: TestBrowser) => (await userOf(browser)).claims;
const refresh = (browser: TestBrowser) => browser.fetch('/bff/refresh', { method: 'POST' });
const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code;
const refreshes = (bff: TestBff) => bff.authorizationServer.tokenRequests('refresh_token').length;
const readings = (bff: TestBff) => bff.authorizationServer.requestsTo('userinfo').length;

/** A BFF whose alice is signed in, and a clock to put forward. */
async function party({ authorizationServer, ...overrides }: BffOverrides = {}) {
  const clock = testClock();
  const people = {
    alice: { name: 'Alice Adams', email: 'alice@example.com', email_verified: true, roles: ['a'] },
  };
  const bff = await startBff({
    clock: clock.now,
    authorizationServer: { accessTokenSeconds: 60, people, ...(authorizationServer as object) },
    ...overrides,
  });
  const browser = await bff.signedIn();
  bff.authorizationServer.requests.length = 0;
  const change = (claims: object) => Object.assign(people.alice, claims);
  const remove = (name: string) => Reflect.deleteProperty(people.alice, name);
  return { bff, browser, clock, change, remove, [Symbol.asyncDispose]: () => bff.close() };
}

describe('the claims of a refreshed ID token', () => {
  it('are those of the session, added, changed and removed', async () => {
    await using alice = await party();
    const { bff, browser, clock, change, remove } = alice;
    const before = await claimsOf(browser);
    change({ name: 'Alice Baker', roles: ['a', 'b'] });
    remove('email_verified');
    clock.advance(61 * second);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(refreshes(bff)).toBe(1);
    const { email_verified: _, ...rest } = before;
    expect(await claimsOf(browser)).toEqual({ ...rest, name: 'Alice Baker', roles: ['a', 'b'] });
    expect(readings(bff)).toBe(0);
  });

  it('leave what only UserInfo said', async () => {
    await using alice = await party({ authorizationServer: { claimsInIdToken: false } });
    const { browser, clock } = alice;
    const before = await claimsOf(browser);
    expect(before).toMatchObject({ name: 'Alice Adams' });
    clock.advance(61 * second);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(await claimsOf(browser)).toEqual(before);
  });

  it('reach the upstream, and end the session that the rules no longer admit', async () => {
    await using alice = await party({
      route: { headers: { set: { 'X-Roles': '${claims.roles}' } } },
      login: { require: [{ claim: 'roles', any: ['a'] }] },
    });
    const { bff, browser, clock, change } = alice;
    change({ roles: ['a', 'b'] });
    clock.advance(61 * second);
    await browser.fetch('/api/x');
    await browser.fetch('/api/x');
    expect(bff.upstream.last.headers['x-roles']).toBe('a,b');
    change({ roles: ['b'] });
    clock.advance(61 * second);
    expect((await browser.fetch('/api/x')).status).toBe(401);
    expect(await whoIs(browser)).toBeUndefined();
    await waitFor(() => bff.authorizationServer.requestsTo('revocation').length > 0);
  });
});

it.each([
  ['inside an object that stays', { other: 1 }],
  ['with its object', undefined],
])(
  'a role that the ID token loses is lost, although UserInfo had it too: %s',
  async (_how, less) => {
    const require = [{ claim: 'roles.names', any: ['admin'] }];
    await using alice = await party({ route: { require } });
    const { bff, browser, clock, change } = alice;
    const status = async () => (await browser.fetch('/api/x')).status;
    expect(await status()).toBe(403);
    change({ roles: { names: ['admin'], other: 1 } });
    clock.advance(61 * second);
    expect((await refresh(browser)).status).toBe(200);
    expect(readings(bff)).toBeGreaterThan(0);
    expect(await status()).toBe(200);
    bff.authorizationServer.override('userinfo', respondWith(503));
    change({ roles: less });
    clock.advance(61 * second);
    // This call refreshes the tokens; its own claims are those of before.
    await status();
    expect(await status()).toBe(403);
  },
);

describe('POST /bff/refresh', () => {
  it('brings new tokens and claims now, in the shape of /bff/user', async () => {
    await using alice = await party();
    const { bff, browser, change } = alice;
    const before = await userOf(browser);
    change({ roles: ['b'] });
    const response = await refresh(browser);
    expect([response.status, refreshes(bff)]).toEqual([200, 1]);
    const after = (await response.json()) as User;
    expect(after).toMatchObject({ sub: 'alice', claims: { ...before.claims, roles: ['b'] } });
    expect(Object.keys(after).toSorted()).toEqual(Object.keys(before).toSorted());
    expect(await claimsOf(browser)).toEqual(after.claims);
    const left = Date.parse(after.session.accessTokenExpiresAt ?? '') - Date.now();
    expect(left).toBeGreaterThan(50 * second);
  });

  it('asks the provider once in 30 seconds, whatever began the last refresh', async () => {
    await using alice = await party();
    const { bff, browser, clock, change } = alice;
    await refresh(browser);
    change({ roles: ['b'] });
    clock.advance(29 * second);
    expect(await (await refresh(browser)).json()).toMatchObject({ claims: { roles: ['a'] } });
    expect(refreshes(bff)).toBe(1);
    clock.advance(2 * second);
    expect(await (await refresh(browser)).json()).toMatchObject({ claims: { roles: ['b'] } });
    clock.advance(61 * second);
    await browser.fetch('/api/x');
    expect((await refresh(browser)).status).toBe(200);
    expect(refreshes(bff)).toBe(3);
  });

  it('is one refresh, however many ask for it on however many replicas', async () => {
    await using alice = await party();
    const { bff, browser } = alice;
    const replica = await bff.replica();
    bff.authorizationServer.override('token', slowly(100, passOn()));
    const headers = { cookie: browser.cookieHeader(), 'x-csrf': '1' };
    const calls = Array.from({ length: 20 }, (_, n) => {
      const { port } = n % 2 ? bff : replica;
      return fetch(`http://127.0.0.1:${port}/bff/refresh`, { method: 'POST', headers });
    });
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(refreshes(bff)).toBe(1);
  });

  it('reads UserInfo alone without a refresh token', async () => {
    await using alice = await party({ authorizationServer: { refreshTokens: false } });
    const { bff, browser, clock, change } = alice;
    change({ name: 'Alice Baker' });
    const response = await refresh(browser);
    expect(await response.json()).toMatchObject({ claims: { name: 'Alice Baker' } });
    await refresh(browser);
    expect([refreshes(bff), readings(bff)]).toEqual([0, 1]);
    clock.advance(61 * second);
    const late = await refresh(browser);
    expect([late.status, await codeOf(late)]).toEqual([401, 'not_signed_in']);
    expect(await whoIs(browser)).toBe('alice');
  });

  it.each(['token', 'userinfo'] as const)(
    'is 503 while the %s endpoint is down, and the session stays',
    async (endpoint) => {
      await using alice = await party({ authorizationServer: { claimsInIdToken: false } });
      const { bff, browser } = alice;
      const before = await claimsOf(browser);
      bff.authorizationServer.override(endpoint, respondWith(500));
      const response = await refresh(browser);
      expect([response.status, await codeOf(response)]).toEqual([503, 'provider_unavailable']);
      expect(response.headers.has('retry-after')).toBe(true);
      expect(await claimsOf(browser)).toEqual(before);
    },
  );

  it('ends the session whose grant is over', async () => {
    await using alice = await party();
    alice.bff.authorizationServer.revokeEverything();
    expect((await refresh(alice.browser)).status).toBe(401);
    expect(await whoIs(alice.browser)).toBeUndefined();
  });

  it('needs the CSRF header and a session', async () => {
    await using alice = await party();
    const { bff, browser } = alice;
    const forged = await browser.fetch('/bff/refresh', { method: 'POST', csrf: false });
    expect([forged.status, await codeOf(forged)]).toEqual([403, 'csrf']);
    const nobody = await refresh(bff.browser());
    expect([nobody.status, await codeOf(nobody)]).toEqual([401, 'not_signed_in']);
    expect((await browser.fetch('/bff/refresh')).status).toBe(405);
  });
});

describe('user.refresh', () => {
  const aged = (overrides: BffOverrides = {}) =>
    party({
      ...overrides,
      user: { refresh: '5m', ...overrides.user },
      authorizationServer: {
        accessTokenSeconds: 3600,
        ...(overrides.authorizationServer as object),
      },
    });

  it('reads UserInfo again when a call finds old claims, and the call does not wait', async () => {
    await using alice = await aged();
    const { bff, browser, clock, change } = alice;
    change({ name: 'Alice Baker', roles: ['b'] });
    await browser.fetch('/api/x');
    expect(readings(bff)).toBe(0);
    clock.advance(301 * second);
    bff.authorizationServer.override('userinfo', hang());
    expect((await browser.fetch('/api/x')).status).toBe(200);
    await waitFor(() => readings(bff) === 1);
    bff.authorizationServer.override('userinfo', undefined);
    // The reading that hangs has failed, and the pause after it is over.
    await waitFor(() => bff.logs.text.includes('claims not read again'));
    clock.advance(31 * second);
    await browser.fetch('/api/x');
    await waitFor(async () => (await claimsOf(browser))['name'] === 'Alice Baker');
    expect(await claimsOf(browser)).toMatchObject({ roles: ['b'], email: 'alice@example.com' });
    expect(refreshes(bff)).toBe(0);
  });

  it('is one reading on all replicas', async () => {
    await using alice = await aged();
    const { bff, browser, clock } = alice;
    const replica = await bff.replica();
    clock.advance(301 * second);
    bff.authorizationServer.override('userinfo', slowly(100, passOn()));
    const headers = { cookie: browser.cookieHeader(), 'x-csrf': '1' };
    const calls = Array.from({ length: 20 }, (_, n) =>
      fetch(`http://127.0.0.1:${n % 2 ? bff.port : replica.port}/api/x`, { headers }),
    );
    expect(new Set((await Promise.all(calls)).map(({ status }) => status))).toEqual(new Set([200]));
    const total = async () => {
      const pages = [bff, replica].map(async ({ managementUrl }) =>
        figuresIn(await (await fetch(`${managementUrl}/metrics`)).text()),
      );
      const name = 'pixie_claim_reads_total{provider="corp",outcome="read"}';
      return (await Promise.all(pages)).reduce((sum, page) => sum + (page[name] ?? 0), 0);
    };
    await waitFor(async () => (await total()) === 1);
    // Both wait for readings in progress.
    await Promise.all([bff.stop(), replica.stop()]);
    expect(readings(bff)).toBe(1);
  });

  it('ends the session when UserInfo is about another user', async () => {
    await using alice = await aged();
    const { bff, browser, clock } = alice;
    clock.advance(301 * second);
    bff.authorizationServer.transform('userinfo', (json) => ({ ...json, sub: 'mallory' }));
    expect((await browser.fetch('/api/x')).status).toBe(200);
    await waitFor(async () => (await whoIs(browser)) === undefined);
  });

  it.each([
    ['500', respondWith(500)],
    ['401', respondWith(401, {}, { 'www-authenticate': 'Bearer error="invalid_token"' })],
    ['no sub', respondWith(200, { name: 'x' })],
    ['no JSON', respondWith(200, '<html>')],
  ])('changes nothing when UserInfo answers with %s', async (_, handler) => {
    await using alice = await aged();
    const { bff, browser, clock } = alice;
    const before = await claimsOf(browser);
    clock.advance(301 * second);
    bff.authorizationServer.override('userinfo', handler);
    await browser.fetch('/api/x');
    await waitFor(() => bff.logs.text.includes('claims not read again'));
    await browser.fetch('/api/x');
    expect(await claimsOf(browser)).toEqual(before);
    expect(readings(bff)).toBe(1);
  });
});

describe('the hook and fresh claims', () => {
  it('is called again for a refresh, with the new claims', async () => {
    const hook = await startUpstream(async (_request, response, recorded) => {
      await recorded.ended;
      const { event, claims } = JSON.parse(recorded.body.toString()) as {
        event: string;
        claims: { roles?: string[] };
      };
      const body = { claims: { team: `${event} ${claims.roles?.join()}`, roles: null } };
      respondWith(200, body)(_request, response, recorded);
    });
    await using alice = await party({ login: { hook: { url: hook.url, token: 't' } } });
    const { bff, browser, clock, change } = alice;
    try {
      expect(await claimsOf(browser)).toMatchObject({ team: 'sign_in a' });
      change({ roles: ['b'] });
      const now = (await (await refresh(browser)).json()) as User;
      expect(now.claims).toEqual({
        sub: 'alice',
        name: 'Alice Adams',
        email: 'alice@example.com',
        email_verified: true,
        team: 'refresh b',
      });
      expect([hook.requests.length, refreshes(bff)]).toEqual([2, 1]);

      // An API call does not wait for the hook.
      change({ roles: ['c'] });
      clock.advance(61 * second);
      expect((await browser.fetch('/api/x')).status).toBe(200);
      await waitFor(async () => (await claimsOf(browser))['team'] === 'refresh c');

      change({ roles: ['d'], name: 'Alice Baker' });
      hook.handler = respondWith(500);
      clock.advance(61 * second);
      const before = await claimsOf(browser);
      expect(await (await refresh(browser)).json()).toMatchObject({ claims: before });

      hook.handler = respondWith(403);
      clock.advance(61 * second);
      expect((await refresh(browser)).status).toBe(401);
      expect(await whoIs(browser)).toBeUndefined();
      await waitFor(() => bff.authorizationServer.requestsTo('revocation').length > 0);
    } finally {
      await hook.close();
    }
  });
});

describe('user.claims', () => {
  it('need not name email_verified for a rule about the domain', async () => {
    await using alice = await party({
      user: { claims: ['sub', 'name', 'email', 'groups'] },
      login: { require: [{ claim: 'email', emailDomain: ['example.com'] }] },
      route: { require: [{ claim: 'email', emailDomain: ['example.com'] }] },
    });
    const { bff, browser, change } = alice;
    expect((await browser.fetch('/api/x')).status).toBe(200);
    change({ email_verified: false });
    expect((await refresh(browser)).status).toBe(401);
    await waitFor(() => bff.authorizationServer.requestsTo('revocation').length > 0);
  });

  it('is what the session keeps, of UserInfo and of refreshed tokens too', async () => {
    await using alice = await party({ user: { claims: ['name', 'iss'] } });
    const { bff, browser, change } = alice;
    const iss = bff.authorizationServer.issuer;
    expect(await userOf(browser)).toMatchObject({ sub: 'alice' });
    expect(await claimsOf(browser)).toEqual({ name: 'Alice Adams', iss });
    change({ name: 'Alice Baker' });
    await refresh(browser);
    expect(await claimsOf(browser)).toEqual({ name: 'Alice Baker', iss });
  });
});
