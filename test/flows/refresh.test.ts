import { importJWK, type JWK, SignJWT } from 'jose';
import { setTimeout as delay } from 'node:timers/promises';
import { respondWith, inTurn, slowly, passOn } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { refreshCount, startWithExpiredTokens } from '../support/bff/expired-tokens.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { frozenClock, testClock } from '../support/time/clock.ts';
import { startNetwork } from '../support/redis/network.ts';
import { startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { keysOf } from './steps.ts';

const second = 1000;

/** As many replicas of the same BFF, and the same user's browser at each of them. */
async function replicasOf(bff: TestBff, browser: TestBrowser, count: number) {
  const cookie = browser.cookieHeader();
  const replicas = [
    bff,
    ...(await Promise.all(Array.from({ length: count - 1 }, () => bff.replica()))),
  ];
  return replicas.map((replica) => {
    const headers = { cookie, 'x-csrf': '1' };
    return (signal?: AbortSignal) =>
      fetch(`http://127.0.0.1:${replica.port}/api/x`, { headers, ...(signal && { signal }) });
  });
}

const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code;

describe('an access token that has ended', () => {
  it('is refreshed once, however many calls on however many replicas need it', async () => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser } = setup;
    const callers = await replicasOf(bff, browser, 3);
    const calls = Array.from({ length: 150 }, (_, n) => callers[n % callers.length]?.());
    const statuses = (await Promise.all(calls)).map((response) => response?.status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(refreshCount(bff)).toBe(1);
    const tokens = new Set(bff.upstream.requests.map(({ headers }) => headers.authorization));
    expect(tokens.size).toBe(1);
  });

  it('is refreshed for the next call although the first client hung up', async () => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser } = setup;
    bff.authorizationServer.override('token', slowly(300, passOn()));
    const [call] = await replicasOf(bff, browser, 1);
    const abort = new AbortController();
    const gone = call?.(abort.signal);
    await waitFor(() => refreshCount(bff) === 1);
    abort.abort();
    await expect(gone).rejects.toThrow('aborted');
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(refreshCount(bff)).toBe(1);
  });

  it('is refreshed again and again with the rotated refresh token', async () => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser, clock } = setup;
    for (let round = 1; round <= 3; round += 1) {
      expect((await browser.fetch('/api/x')).status).toBe(200);
      expect(refreshCount(bff)).toBe(round);
      clock.advance(61 * second);
    }
    const spent = bff.authorizationServer
      .tokenRequests('refresh_token')
      .map(({ form }) => form.get('refresh_token'));
    expect(new Set(spent).size).toBe(3);
  });

  it('is refreshed by the next call when the replica that was at it has died', async () => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser } = setup;
    const [key = ''] = await keysOf(bff, 'session');
    const { createClient } = await import('redis');
    const redis = await createClient({ url: bff.redis.url }).connect();
    await redis.set(`${key}:refresh`, 'of a dead replica', {
      expiration: { type: 'PX', value: 700 },
    });
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(refreshCount(bff)).toBe(1);
    redis.destroy();
  });

  it('ends the session when the provider says that the grant is over', async () => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser } = setup;
    bff.authorizationServer.revokeEverything();
    const refused = await browser.fetch('/api/x');
    expect([refused.status, await codeOf(refused)]).toEqual([401, 'not_signed_in']);
    expect(await bff.redis.dump()).toEqual(new Map());
    expect((await browser.fetch('/bff/user')).status).toBe(401);
  });

  it.each([
    ['is down', respondWith(503, '')],
    ['limits us', respondWith(429, '{}', { 'content-type': 'application/json' })],
    [
      'refuses our credentials',
      respondWith(401, '{"error":"invalid_client"}', { 'content-type': 'application/json' }),
    ],
    ['answers with a page', respondWith(200, '<html>', { 'content-type': 'text/html' })],
  ])('is 503 and no logout while the provider %s', async (_, handler) => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser, clock } = setup;
    bff.authorizationServer.override('token', handler);
    const failed = await browser.fetch('/api/x');
    expect([failed.status, await codeOf(failed)]).toEqual([503, 'provider_unavailable']);
    expect(failed.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(failed.headers.get('set-cookie')).toBeNull();

    // Left alone for a moment, the provider is not asked for every call.
    const before = refreshCount(bff);
    expect((await browser.fetch('/api/x')).status).toBe(503);
    expect(refreshCount(bff)).toBe(before);

    bff.authorizationServer.override('token', undefined);
    clock.advance(5 * second);
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });

  it.each([
    ['another sub ends the session', { sub: 'mallory' }, 401],
    ['another issuer is not used', { iss: 'https://evil.example' }, 503],
    ['another audience is not used', { aud: 'another-client' }, 503],
    ['another nonce is not used', { nonce: 'another' }, 503],
  ])('with an ID token of %s', async (_, change, status) => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser } = setup;
    const { authorizationServer } = bff;
    authorizationServer.transform('token', async (json) => {
      const [, payload = ''] = String(json['id_token']).split('.');
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<
        string,
        unknown
      >;
      const jwk = authorizationServer.signingKeys.find(({ kid }) => kid === 'rsa');
      if (!jwk) throw new Error('no key');
      const signer = new SignJWT({ ...claims, at_hash: undefined, ...change });
      const key = await importJWK({ ...jwk } as JWK, 'RS256');
      return {
        ...json,
        id_token: await signer.setProtectedHeader({ alg: 'RS256', kid: 'rsa' }).sign(key),
      };
    });
    expect((await browser.fetch('/api/x')).status).toBe(status);
    expect(await keysOf(bff, 'session')).toHaveLength(status === 401 ? 0 : 1);
    expect(bff.upstream.requests).toEqual([]);
  });

  it.each([
    { what: 'for a moment', away: 0 },
    { what: 'for longer than its lock lives', away: 3500 },
  ])(
    'is kept although Redis goes away $what just when the provider has responded',
    async ({ away }) => {
      const redis = await startRedis();
      const network = await startNetwork(redis.port);
      {
        await using setup = await startWithExpiredTokens(['alice'], {
          redis: { url: network.url },
        });
        const { bff, browser } = setup;
        bff.authorizationServer.transform('token', async (json) => {
          await network.refuse();
          return json;
        });
        const call = await browser.fetch('/api/x');
        expect([call.status, await codeOf(call)]).toEqual([503, 'session_store_unavailable']);
        await delay(away);
        bff.authorizationServer.transform('token', undefined);
        await network.restore();
        await waitFor(async () => (await browser.fetch('/api/x')).status === 200);
        expect(refreshCount(bff)).toBe(1);
      }
      network.close();
      await redis.stop();
    },
  );

  it('is kept although the replica that requested it stops, and the client has gone', async () => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser } = setup;
    const replica = await bff.replica();
    bff.authorizationServer.override('token', slowly(500, passOn()));
    const abort = new AbortController();
    const headers = { cookie: browser.cookieHeader(), 'x-csrf': '1' };
    const address = `http://127.0.0.1:${replica.port}/api/x`;
    const gone = fetch(address, { headers, signal: abort.signal }).catch(() => 'gone');
    await waitFor(() => refreshCount(bff) === 1);
    abort.abort();
    await expect(gone).resolves.toBe('gone');
    await replica.stop();
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(refreshCount(bff)).toBe(1);
  });

  it('does not bring a session back that was signed out meanwhile, and revokes what came too late', async () => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser } = setup;
    const signedOut = Promise.withResolvers<void>();
    bff.authorizationServer.transform('token', async (json) => {
      await signedOut.promise;
      return json;
    });
    const call = browser.fetch('/api/x');
    await waitFor(() => refreshCount(bff) === 1);
    expect((await browser.fetch('/bff/logout', { method: 'POST' })).status).toBe(200);
    signedOut.resolve();
    expect((await call).status).toBe(401);
    expect([...(await bff.redis.dump()).keys()].filter((key) => key.includes('session'))).toEqual(
      [],
    );
    await waitFor(() => bff.authorizationServer.requestsTo('revocation').length === 2);
  });
});

describe('an access token that is about to end', () => {
  it('serves on while it is replaced in the background', async () => {
    const clock = testClock();
    await using bff = await startBff({
      clock: clock.now,
      authorizationServer: { accessTokenSeconds: 600 },
    });
    const browser = await bff.signedIn();
    clock.advance(545 * second);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    const { authorization } = bff.upstream.last.headers;
    await waitFor(async () => {
      await browser.fetch('/api/x');
      return bff.upstream.last.headers.authorization !== authorization;
    });
    expect(refreshCount(bff)).toBe(1);
  });

  it.each([
    ['is left alone until session.refreshAhead', '10s', 580, 0],
    ['is replaced within session.refreshAhead', '30s', 580, 1],
    ['is left alone until the last tenth of its lifetime', '5m', 530, 0],
  ])('%s', async (_, refreshAhead, age, expected) => {
    const clock = testClock();
    await using bff = await startBff({
      clock: clock.now,
      authorizationServer: { accessTokenSeconds: 600 },
      session: { refreshAhead },
    });
    const browser = await bff.signedIn();
    clock.advance(age * second);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    // Signing out revokes at the provider, so that what the call began has reached it by then.
    expect((await browser.fetch('/bff/logout', { method: 'POST' })).status).toBe(200);
    await waitFor(() => refreshCount(bff) >= expected);
    expect(refreshCount(bff)).toBe(expected);
  });

  it('serves on while the provider is down', async () => {
    const clock = testClock();
    await using bff = await startBff({
      clock: clock.now,
      authorizationServer: { accessTokenSeconds: 600 },
    });
    const browser = await bff.signedIn();
    bff.authorizationServer.override('token', respondWith(503, ''));
    clock.advance(545 * second);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    await waitFor(() => refreshCount(bff) === 1);
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });
});

describe('an access token the API refuses before its time', () => {
  const refusal = respondWith(401, '', { 'www-authenticate': 'Bearer error="invalid_token"' });

  it('is replaced once, and the call is made once more', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn();
    bff.upstream.handler = (request, response, recorded) =>
      bff.upstream.requests.length === 1
        ? refusal(request, response, recorded)
        : respondWith(200, 'ok')(request, response, recorded);
    expect(await (await browser.fetch('/api/x')).text()).toBe('ok');
    const [first, next] = bff.upstream.requests.map(({ headers }) => headers.authorization);
    expect(next).not.toBe(first);
    expect([bff.upstream.requests.length, refreshCount(bff)]).toEqual([2, 1]);
  });

  it('is replaced too when the call itself has refreshed it', async () => {
    await using setup = await startWithExpiredTokens();
    const { bff, browser } = setup;
    bff.upstream.handler = inTurn(refusal, respondWith(200, 'ok'));
    expect(await (await browser.fetch('/api/x')).text()).toBe('ok');
    const [first, next] = bff.upstream.requests.map(({ headers }) => headers.authorization);
    expect(next).not.toBe(first);
    expect([bff.upstream.requests.length, refreshCount(bff)]).toEqual([2, 2]);
  });

  describe('and every other one as well', () => {
    const refuseAll = respondWith(401, 'no', {
      'www-authenticate': 'Bearer error="invalid_token"',
    });
    /** 30 calls of one session on three replicas, half of them at once. */
    const burst = async (callers: Awaited<ReturnType<typeof replicasOf>>) => {
      const calls = callers.flatMap((call) => Array.from({ length: 5 }, () => call));
      const responses = await Promise.all(calls.map((call) => call()));
      for (const call of calls) responses.push(await call());
      const bodies = responses.map(async (response) => [response.status, await response.text()]);
      expect(new Set((await Promise.all(bodies)).map(String))).toEqual(new Set(['401,no']));
    };

    it('costs one refresh in 30 seconds, however many calls on however many replicas', async () => {
      const clock = frozenClock();
      await using bff = await startBff({
        clock: clock.now,
        authorizationServer: { accessTokenSeconds: 600 },
        upstream: refuseAll,
      });
      const callers = await replicasOf(bff, await bff.signedIn(), 3);
      for (const expected of [1, 2, 3]) {
        await burst(callers);
        expect(refreshCount(bff)).toBe(expected);
        clock.advance(29 * second);
        await burst(callers);
        expect(refreshCount(bff)).toBe(expected);
        clock.advance(second);
      }
    });

    it('costs one refresh although the provider issues the same access token again', async () => {
      await using bff = await startBff({ upstream: refuseAll });
      let same: unknown;
      bff.authorizationServer.transform('token', (json) => {
        if (same === undefined) {
          same = json['access_token'];
          return json;
        }
        return { ...json, access_token: same, id_token: undefined };
      });
      const callers = await replicasOf(bff, await bff.signedIn(), 3);
      await burst(callers);
      expect(refreshCount(bff)).toBe(1);
    });

    it('costs no more when its tokens end sooner than that', async () => {
      const clock = frozenClock();
      await using bff = await startBff({
        clock: clock.now,
        authorizationServer: { accessTokenSeconds: 10 },
        upstream: refuseAll,
      });
      const callers = await replicasOf(bff, await bff.signedIn(), 2);
      await burst(callers);
      expect(refreshCount(bff)).toBe(1);
      for (const ordinary of [1, 2]) {
        clock.advance(11 * second);
        await burst(callers);
        expect(refreshCount(bff)).toBe(1 + ordinary);
      }
      clock.advance(11 * second);
      await burst(callers);
      // One refresh for the expired token, and one because 30 seconds have passed.
      expect(refreshCount(bff)).toBe(1 + 2 + 2);
    });
  });

  it('is passed on when the API refuses the other one too, and when a body would have to be sent twice', async () => {
    await using bff = await startBff({ upstream: refusal });
    const browser = await bff.signedIn();
    expect((await browser.fetch('/api/x')).status).toBe(401);
    expect([bff.upstream.requests.length, refreshCount(bff)]).toEqual([2, 1]);
    expect((await browser.fetch('/api/x', { method: 'POST', body: 'paid' })).status).toBe(401);
    expect([bff.upstream.requests.length, refreshCount(bff)]).toEqual([3, 1]);
  });
});
