import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { startNetwork } from '../support/redis/network.ts';
import { startRedis } from '../support/redis/redis.ts';
import type { RedisServer } from '../support/redis/server.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { asProgram, beginLogin, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

describe('what Redis holds', () => {
  it('is nothing that a thief could use: no token, no cookie, no name', async () => {
    const canary = 'canary-7f3a91';
    const people = {
      [`sub-${canary}`]: {
        name: `Name ${canary}`,
        email: `${canary}@example.com`,
        groups: [`group-${canary}`],
      },
    };
    await using bff = await startBff({ authorizationServer: { people } });
    const tokens: Record<string, unknown> = {};
    bff.authorizationServer.transform('token', (json) => Object.assign(tokens, json));
    const browser = bff.browser();
    const page = await bff.signIn(browser, { returnUrl: `/return-${canary}` });
    await browser.fetch('/api/x');
    await beginLogin(bff, browser, { returnUrl: `/return-${canary}` });

    const [exchange] = bff.authorizationServer.tokenRequests();
    const back = new URL(page.history.find(({ url }) => url.includes('/bff/callback'))?.url ?? '');
    const cookies = browser.cookies().map(({ value }) => decodeURIComponent(value).slice(2));
    const secrets = [
      canary,
      exchange?.form.get('code_verifier'),
      exchange?.form.get('code'),
      back.searchParams.get('state'),
      tokens['access_token'],
      tokens['refresh_token'],
      tokens['id_token'],
      ...cookies,
      ...cookies.map((cookie) => cookie.split('.')[0]),
      'LittleBrowser',
      'codeVerifier',
      'accessToken',
      'signedIn',
    ];
    expect(secrets.filter((secret) => String(secret ?? '').length < 8)).toEqual([]);

    const dump = await bff.redis.dump();
    expect(dump.size).toBeGreaterThanOrEqual(2);
    const stored = [...dump].flat();
    const decoded = stored.flatMap((text) => [
      text,
      Buffer.from(text, 'base64url').toString('latin1'),
      Buffer.from(text, 'base64').toString('latin1'),
      Buffer.from(text, 'hex').toString('latin1'),
    ]);
    for (const secret of secrets as string[]) {
      for (const spelling of spellings(secret)) {
        for (const text of decoded) expect(text.includes(spelling)).toBe(false);
      }
    }
  });

  it('always ends by itself', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn();
    await beginLogin(bff, browser);
    const client = createClient({ url: bff.redis.url });
    await client.connect();
    for (const key of (await bff.redis.dump()).keys())
      expect(await client.pTTL(key)).toBeGreaterThan(0);
    await client.close();
  });

  it.each([
    ['garbage', () => 'garbage'],
    ['JSON in the clear', () => '{"cookie":{},"signedIn":{"sub":"mallory","expiresAt":9e15}}'],
    ['nothing', () => ''],
    ['the record of another user', (all: string[]) => all.at(-1) ?? ''],
  ])('signs no user in when another process puts %s in it', async (_, forge) => {
    await using bff = await startBff();
    const [alice, bob] = [await bff.signedIn('alice'), await bff.signedIn('bob')];
    const client = createClient({ url: bff.redis.url });
    await client.connect();
    const dump = await bff.redis.dump();
    const keys = [...dump.keys()];
    // Each key gets what another one held.
    const values = keys.map((key) =>
      forge(keys.filter((other) => other !== key).map((other) => dump.get(other) ?? '')),
    );
    await Promise.all(
      keys.map((key, n) => client.set(key, values[n] ?? '', { expiration: 'KEEPTTL' })),
    );
    for (const browser of [alice, bob]) {
      await expect(whoIs(browser)).resolves.toBeUndefined();
      expect((await browser.fetch('/api/x')).status).toBe(401);
      await bff.signedIn('bob', browser);
    }
    await client.close();
  });
});

/** What a careless program might have made of a text before it stored it. */
function spellings(text: string): string[] {
  const bytes = Buffer.from(text);
  return [
    text,
    bytes.toString('hex'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
  ];
}

/** Everything that needs sessions says so within two seconds, and leaves every cookie alone. */
async function expectUnavailable(bff: TestBff, browser: TestBrowser) {
  const cookies = browser.cookieHeader();
  const began = performance.now();
  const responses = await Promise.all([
    browser.fetch('/bff/user'),
    browser.fetch('/api/x'),
    browser.fetch('/bff/logout', { method: 'POST' }),
  ]);
  const login = await browser.navigate('/bff/login', { redirect: 'manual', headers: asProgram });
  const callback = await browser.navigate('/bff/callback?code=x&state=y', { redirect: 'manual' });
  expect(performance.now() - began).toBeLessThan(2000);
  const pages = [login, callback].map(
    ({ status, headers, body }) => new Response(body, { status, headers }),
  );
  for (const response of [...responses, ...pages]) {
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(errorCode({ body: await response.text() })).toBe('session_store_unavailable');
  }
  expect(browser.cookieHeader()).toBe(cookies);
  expect(bff.upstream.requests).toEqual([]);
}

async function expectUnavailableBriefly(browser: TestBrowser) {
  const responses = await Promise.all(Array.from({ length: 20 }, () => browser.fetch('/bff/user')));
  expect(responses.map(({ status }) => status)).toEqual(Array(20).fill(503));
  for (const response of responses) expect(response.headers.getSetCookie()).toEqual([]);
}

describe('a Redis in trouble', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    redis.resume();
    await redis.stop();
  });

  const start = () => startBff({ redis: { url: redis.url } });
  const resumedAtTheEnd = () => ({ [Symbol.dispose]: () => redis.resume() });

  it('that is down at the start does not keep the BFF from starting, and is found when it comes', async () => {
    await using bff = await start();
    await bff.stop();
    await redis.stop();
    await bff.start();
    const browser = bff.browser();
    expect((await browser.fetch('/bff/user')).status).toBe(401);
    const { page } = await beginLogin(bff, browser);
    expect([page.status, errorCode(page)]).toEqual([503, 'session_store_unavailable']);
    await redis.restart();
    await waitFor(async () => (await beginLogin(bff, browser)).page.status === 302);
    await bff.signedIn('alice', browser);
  });

  it('that stops is 503 and never a logout; when it is back, sign-ins work without a restart', async () => {
    await using bff = await start();
    const browser = await bff.signedIn();
    await redis.stop();
    await expectUnavailable(bff, browser);
    expect(
      bff.logs.lines.filter(({ context, level }) => context === 'Redis' && level === 'error'),
    ).toHaveLength(1);
    await redis.restart();
    await waitFor(async () => (await beginLogin(bff, browser)).page.status === 302);
    await bff.signedIn('bob', browser);
    await expect(whoIs(browser)).resolves.toBe('bob');
  });

  it('leaves everything that needs no session as it is', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'frontend-'));
    await writeFile(join(directory, 'index.html'), '<h1>Here</h1>');
    await using bff = await startBff({
      redis: { url: redis.url },
      frontend: { directory },
      routes: (usual) => [{ ...usual, path: '/public', token: 'none' }],
    });
    await redis.stop();
    const browser = bff.browser();
    expect((await browser.navigate('/')).body).toContain('Here');
    expect((await browser.fetch('/public/x')).status).toBe(200);
    await rm(directory, { recursive: true });
  });

  it('that hangs is 503 within two seconds, and the session is there when it goes on', async () => {
    await using bff = await start();
    using _ = resumedAtTheEnd();
    const browser = await bff.signedIn();
    redis.pause();
    const began = performance.now();
    expect((await browser.fetch('/bff/user')).status).toBe(503);
    expect(performance.now() - began).toBeLessThan(2000);
    await expectUnavailableBriefly(browser);
    redis.resume();
    await waitFor(async () => (await whoIs(browser, '?slide=false')) === 'alice');
  });

  it('that stops while a user signs in gives neither a session nor a cookie, and keeps the one that was there', async () => {
    await using bff = await start();
    using _ = resumedAtTheEnd();
    const browser = await bff.signedIn('alice');
    const cookies = browser.cookieHeader();
    const callback = await untilCallback(bff, browser);
    bff.authorizationServer.override('token', () => {
      redis.pause();
      return 'continue';
    });
    const page = await visitCallback(bff, browser, callback);
    expect([page.status, errorCode(page)]).toEqual([503, 'session_store_unavailable']);
    expect(page.history[0]?.setCookie).toEqual([]);
    expect(browser.cookieHeader()).toBe(cookies);
    redis.resume();
    await waitFor(async () => (await whoIs(browser)) === 'alice');
    expect(bff.logs.text).not.toContain('session exists');
  });

  it('that is cut off without a word is given up, and found again at the same address', async () => {
    const network = await startNetwork(redis.port);
    {
      await using bff = await startBff({ redis: { url: network.url } });
      const browser = await bff.signedIn();
      network.loseConnections();
      expect((await browser.fetch('/bff/user')).status).toBe(503);
      await waitFor(async () => (await whoIs(browser)) === 'alice', {
        timeout: 8000,
        interval: 200,
      });
    }
    network.close();
  });
});
