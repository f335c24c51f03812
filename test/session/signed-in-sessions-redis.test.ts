import { randomBytes } from 'node:crypto';
import { SessionStore } from '../../src/session/sessions/session-store.ts';
import { recordNameOf } from '../../src/session/store/sealed-records.ts';
import type { Session } from '../../src/session/sessions/session.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { startRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { whoIs } from '../flows/steps.ts';

async function sessionsOf(browser: TestBrowser): Promise<{ id: string; current: boolean }[]> {
  return (await (await browser.fetch('/bff/sessions')).json()) as never;
}

async function sessionOf(bff: TestBff, browser: TestBrowser): Promise<Session> {
  const own = (await sessionsOf(browser)).find(({ current }) => current);
  const session = await bff.app.get(SessionStore).read(own?.id ?? '');
  if (!session) throw new Error('There is no such session.');
  return session;
}

/** Every key of the index with all its bytes. */
async function indexOf(bff: TestBff): Promise<Map<string, string>> {
  const all = await bff.redis.dump();
  return new Map([...all].filter(([key]) => key.includes(':index:')));
}

/** What came of it, and after how many milliseconds. */
async function timed<T>(action: () => Promise<T>): Promise<[T, number]> {
  const began = performance.now();
  return [await action(), performance.now() - began];
}

/**
 * How a text looks within a longer one that is encoded: base64 depends on where in a group of three
 * it begins.
 */
function spellings(text: string): string[] {
  const base64 = [0, 1, 2].map((offset) => {
    const whole = Buffer.from('\0'.repeat(offset) + text).toString('base64');
    return whole.replace(/=+$/, '').slice(offset === 0 ? 0 : offset + 1, -2);
  });
  const url = base64.map((word) => word.replaceAll('+', '-').replaceAll('/', '_'));
  const hex = Buffer.from(text).toString('hex');
  return [text, ...base64, ...url, hex, hex.toUpperCase()];
}

describe('session.maxPerUser', () => {
  const limited: BffOverrides = { session: { maxPerUser: 2 } };

  it('ends the oldest session of a user with too many, on every replica, and revokes its tokens', async () => {
    await using bff = await startBff(limited);
    const replica = await bff.replica();
    const [first, second] = [await bff.signedIn(), await bff.signedIn()];
    const bob = await bff.signedIn('bob');
    const token = (await sessionOf(bff, first)).tokens.refreshToken;
    const third = await bff.signedIn('alice', bff.browser().via(replica.port));
    const browsers = [first, second, third, bob];
    const on = async (port: number) =>
      Promise.all(browsers.map(async (browser) => whoIs(browser.via(port))));
    expect(await on(bff.port)).toEqual([undefined, 'alice', 'alice', 'bob']);
    expect(await on(replica.port)).toEqual([undefined, 'alice', 'alice', 'bob']);
    await waitFor(() => {
      const revocations = bff.authorizationServer.requestsTo('revocation');
      expect(revocations.map(({ form }) => form.get('token'))).toEqual([token]);
    });
  });

  it('does not count the session that a sign-in in the same browser replaces', async () => {
    await using bff = await startBff(limited);
    const [phone, laptop] = [await bff.signedIn(), await bff.signedIn()];
    for (let count = 0; count < 3; count += 1) await bff.signedIn('alice', laptop);
    expect(await Promise.all([phone, laptop].map((one) => whoIs(one)))).toEqual(['alice', 'alice']);
    expect(await sessionsOf(phone)).toHaveLength(2);
  });

  it('holds when many sign in at the same moment on two replicas, and none is refused', async () => {
    await using bff = await startBff(limited);
    const replica = await bff.replica();
    const ports = [bff.port, replica.port, bff.port, replica.port, bff.port, replica.port];
    const browsers = await Promise.all(
      ports.map(async (port) => bff.signedIn('alice', bff.browser().via(port))),
    );
    const users = await Promise.all(browsers.map((browser) => whoIs(browser)));
    expect(users.filter(Boolean)).toHaveLength(2);
    await expect(bff.signedIn().then((browser) => whoIs(browser))).resolves.toBe('alice');
  });

  it.each([
    [0, 0, 0],
    [2, 2, 0],
    [1, 2, 1],
  ])(
    'of %i counts sessions %i times and reads them %i times in two sign-ins',
    async (...numbers) => {
      const [maxPerUser, ...times] = numbers;
      const redis = await startRedis();
      await using bff = await startBff({ session: { maxPerUser }, redis: { url: redis.url } });
      await bff.signedIn();
      await bff.signedIn();
      const statistics = String(await redis.command('INFO', 'commandstats'));
      const callsOf = (name: string) =>
        Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(statistics)?.[1] ?? 0);
      expect(statistics).toContain('cmdstat_getdel');
      // Reading counts once more, to find where the list begins that is not stale.
      expect([callsOf('zcount') - callsOf('zrange'), callsOf('zrange')]).toEqual(times);
      await bff.close();
      await redis.stop();
    },
  );
});

describe('the index of sessions in Redis', () => {
  it('does not reveal who has a session, with which tokens, and at which session of the provider', async () => {
    const person = 'canary-subject-0123456789';
    const people = { [person]: { name: 'Canary' } };
    await using bff = await startBff({ authorizationServer: { people, backchannelLogout: true } });
    const browser = bff.browser();
    const userAgent = 'CanaryBrowser/9876543210';
    const headers = { 'user-agent': userAgent };
    await browser.navigate(`/bff/login?login_hint=${person}`, { headers });
    const { sid = '', issuer } = await sessionOf(bff, browser);
    expect(sid.length).toBeGreaterThan(8);
    const dump = [...(await bff.redis.dump())].flat().join('\n');
    expect(await indexOf(bff)).toHaveProperty('size', 2);
    for (const word of [person, sid, userAgent, issuer])
      for (const spelling of spellings(word)) expect(dump).not.toContain(spelling);
    // What is looked for would be found, were it there.
    const hidden = Buffer.from(`{"x":"${person}"}`).toString('base64');
    expect(spellings(person).some((spelling) => hidden.includes(spelling))).toBe(true);
  });

  it('loses what has ended at once, and is gone with the last session', async () => {
    await using bff = await startBff();
    const [phone, laptop] = [await bff.signedIn(), await bff.signedIn()];
    const ended = await sessionOf(bff, laptop);
    const bytes = async () => [...(await indexOf(bff)).values()].join('\n');
    expect(await bytes()).toContain(ended.id);
    await phone.fetch(`/bff/sessions/${ended.id}`, { method: 'DELETE' });
    expect(await bytes()).not.toContain(ended.id);
    const own = await sessionOf(bff, phone);
    expect(await bytes()).toContain(own.id);
    await phone.fetch(`/bff/sessions/${own.id}`, { method: 'DELETE' });
    expect([...(await indexOf(bff)).keys()]).toEqual([]);
  });

  it('is gone after the idle time of the last session, and two seconds', async () => {
    await using bff = await startBff({ session: { idle: '1s' } });
    await bff.signedIn();
    expect((await indexOf(bff)).size).toBe(1);
    const began = performance.now();
    await waitFor(async () => (await indexOf(bff)).size === 0, { timeout: 8000 });
    expect(performance.now() - began).toBeGreaterThan(2000);
    expect((await bff.redis.dump()).size).toBe(0);
  });

  it('lists 300 sessions quickly, and ends them quickly', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn();
    const model = await sessionOf(bff, browser);
    const store = bff.app.get(SessionStore);
    const begin = async (count: number) => {
      const secret = randomBytes(32).toString('base64url');
      const signedIn = {
        ...model,
        id: recordNameOf(secret),
        createdAt: model.createdAt - 300 + count,
      };
      await store.begin(secret, { cookie: { originalMaxAge: null }, signedIn } as never);
    };
    await Promise.all(Array.from({ length: 299 }, (_, count) => begin(count)));
    const [list, listing] = await timed(() => sessionsOf(browser));
    expect(list).toHaveLength(300);
    expect(list[0]?.current).toBe(true);
    const [{ status }, ending] = await timed(() =>
      browser.fetch('/bff/sessions', { method: 'DELETE' }),
    );
    expect(status).toBe(204);
    expect(await sessionsOf(browser)).toHaveLength(1);
    console.info(`300 sessions: ${listing.toFixed()} ms to list, ${ending.toFixed()} ms to end`);
    expect(Math.max(listing, ending)).toBeLessThan(1500);
  });
});
