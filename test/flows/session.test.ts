import { createClient } from 'redis';
import { startBff } from '../support/bff/bff.ts';
import { testClock } from '../support/time/clock.ts';
import { startRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { signOut } from './logout-tokens.ts';
import { errorCode, timesToLive, untilCallback, visitCallback, whoIs } from './steps.ts';

const minute = 60_000;
const secret = (n: number) => `session secret number ${n} for the tests`;

describe('a session', () => {
  it('ends when its user has sent nothing for the idle time', async () => {
    const clock = testClock();
    await using bff = await startBff({
      store: 'memory',
      clock: clock.now,
      session: { idle: '10m' },
    });
    const browser = await bff.signedIn();
    for (let n = 0; n < 3; n += 1) {
      clock.advance(9 * minute);
      await expect(whoIs(browser)).resolves.toBe('alice');
    }
    clock.advance(10 * minute);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('is not kept alive by questions with slide=false', async () => {
    const clock = testClock();
    await using bff = await startBff({
      store: 'memory',
      clock: clock.now,
      session: { idle: '10m' },
    });
    const browser = await bff.signedIn();
    clock.advance(6 * minute);
    await expect(whoIs(browser, '?slide=false')).resolves.toBe('alice');
    clock.advance(5 * minute);
    await expect(whoIs(browser, '?slide=false')).resolves.toBeUndefined();
  });

  it('ends at its absolute end, however busy its user is', async () => {
    const clock = testClock();
    await using bff = await startBff({
      store: 'memory',
      clock: clock.now,
      session: { idle: '10m', absolute: '1h' },
    });
    const browser = await bff.signedIn();
    for (let n = 0; n < 11; n += 1) {
      clock.advance(5 * minute);
      await expect(whoIs(browser)).resolves.toBe('alice');
    }
    const left = (await (await browser.fetch('/bff/user')).json()) as {
      session: { expiresIn: number };
    };
    expect(left.session.expiresIn).toBeLessThanOrEqual(300);
    clock.advance(5 * minute);
    await expect(whoIs(browser)).resolves.toBeUndefined();
    expect((await browser.fetch('/api/x')).status).toBe(401);
  });

  it('is read and renewed by the first of many calls, and the others send Redis nothing', async () => {
    const redis = await startRedis();
    await using bff = await startBff({ redis: { url: redis.url }, session: { idle: '10m' } });
    const browser = await bff.signedIn();
    const client = await createClient({ url: redis.url }).connect();
    await client.configResetStat();
    for (let n = 0; n < 50; n += 1) await browser.fetch('/api/x');
    const counts = [
      ...(await client.info('commandstats')).matchAll(/cmdstat_([\w|]+):calls=(\d+)/g),
    ];
    client.destroy();
    await redis.stop();
    const {
      set = 0,
      eval: scripts = 0,
      del = 0,
      ...others
    } = Object.fromEntries(counts.map(([, name = '', calls]) => [name, Number(calls)]));
    // The heartbeat is a script that writes a key and removes it.
    expect([scripts, del]).toEqual([set, set]);
    // Beside what the test itself asks.
    delete others['config|resetstat'];
    delete others['info'];
    // An answer that takes half a second is looked after, and on a busy machine one may.
    delete others['pttl'];
    expect(others).toEqual({ getex: 1 });
  });

  it('ends in Redis too, at both ends', async () => {
    await using bff = await startBff({ session: { idle: '2s', absolute: '4s' } });
    const browser = await bff.signedIn();
    const [left = 0] = await timesToLive(bff, 'session');
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(2000);
    const began = performance.now();
    await waitFor(async () => (await whoIs(browser)) === undefined, {
      interval: 200,
      timeout: 8000,
    });
    expect(performance.now() - began).toBeGreaterThan(2400);
    await waitFor(async () => (await bff.redis.dump()).size === 0);
  });

  it('waits ten minutes for a sign-in to come back, and no longer', async () => {
    const clock = testClock();
    await using bff = await startBff({ store: 'memory', clock: clock.now });
    const [early, late] = [bff.browser(), bff.browser()];
    const callbacks = [await untilCallback(bff, early), await untilCallback(bff, late)] as const;
    clock.advance(10 * minute - 5000);
    expect((await visitCallback(bff, early, callbacks[0])).status).toBe(302);
    clock.advance(5000);
    const page = await visitCallback(bff, late, callbacks[1]);
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
  });

  it('is gone after an operator has emptied the store, and the next sign-in works', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn();
    await bff.redis.clear();
    await expect(whoIs(browser)).resolves.toBeUndefined();
    await bff.signedIn('bob', browser);
    await expect(whoIs(browser)).resolves.toBe('bob');
  });

  it('is known to every replica, and ended on every replica', async () => {
    await using bff = await startBff();
    const replica = await bff.replica();
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    browser.via(replica.port);
    expect((await visitCallback(bff, browser, callback)).status).toBe(302);
    browser.via(bff.port);
    await expect(whoIs(browser)).resolves.toBe('alice');
    await browser.fetch('/bff/logout', { method: 'POST' });
    browser.via(replica.port);
    await expect(whoIs(browser)).resolves.toBeUndefined();
    await expect(browser.fetch('/api/x')).resolves.toMatchObject({ status: 401 });
  });
});

/** The same place after a restart with other secrets. */
async function restarted(secrets: string[][]) {
  const [first = [], ...others] = secrets;
  const before = await startBff({ session: { secrets: first } });
  const later = await Promise.all(
    others.map((ring) =>
      startBff({
        publicUrl: before.url,
        redis: { url: before.redis.url, keyPrefix: before.redis.keyPrefix },
        authorizationServer: before.authorizationServer,
        session: { secrets: ring },
      }),
    ),
  );
  return { before, later };
}

describe('a change of the session secret', () => {
  it('keeps sessions and sign-ins under way while the old one is still in the list', async () => {
    const { before, later } = await restarted([[secret(1)], [secret(2), secret(1)], [secret(2)]]);
    const [rotated, old] = later as [typeof before, typeof before];
    await using stack = new AsyncDisposableStack();
    for (const bff of [before, rotated, old]) stack.use(bff);

    const browser = await before.signedIn();
    const waiting = before.browser();
    const callback = await untilCallback(before, waiting);

    browser.via(rotated.port);
    await expect(whoIs(browser)).resolves.toBe('alice');
    waiting.via(rotated.port);
    expect((await visitCallback(rotated, waiting, callback)).status).toBe(302);

    // What the new secret has signed and sealed needs the old one no more.
    waiting.via(old.port);
    await expect(whoIs(waiting)).resolves.toBe('alice');
    browser.via(old.port);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it.each([
    ['added at the end', [[secret(1)], [secret(1), secret(2)]]],
    [
      'moved to the front',
      [
        [secret(1), secret(2)],
        [secret(2), secret(1)],
      ],
    ],
  ])('goes unnoticed while replicas differ in whether the new one is %s yet', async (_, rings) => {
    const { before, later } = await restarted(rings);
    await using stack = new AsyncDisposableStack();
    const replicas = [before, ...later];
    for (const bff of replicas) stack.use(bff);
    for (const [here, there] of [replicas, replicas.toReversed()] as [
      typeof before,
      typeof before,
    ][]) {
      const browser = here.browser();
      const callback = await untilCallback(here, browser);
      browser.via(there.port);
      expect((await visitCallback(there, browser, callback)).status).toBe(302);
      for (const { port } of [here, there]) {
        browser.via(port);
        await expect(whoIs(browser)).resolves.toBe('alice');
      }
      browser.via(here.port);
      await expect(signOut(here, { sub: 'alice' })).resolves.toBe(200);
      await expect(whoIs(browser)).resolves.toBeUndefined();
    }
  });

  it('signs all users out when the old one is removed at once', async () => {
    const { before, later } = await restarted([[secret(1)], [secret(2)]]);
    await using stack = new AsyncDisposableStack();
    for (const bff of [before, ...later]) stack.use(bff);
    const browser = await before.signedIn();
    browser.via(later[0]?.port ?? 0);
    const response = await browser.fetch('/bff/user');
    expect(response.status).toBe(401);
    expect(response.headers.getSetCookie()).toEqual([]);
  });
});
