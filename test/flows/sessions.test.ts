import { SessionStore } from '../../src/session/sessions/session-store.ts';
import type { SessionEntry } from '../../src/session/sessions/session-entry.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { FetchOptions, TestBrowser } from '../support/browser/browser.ts';
import { startAuthorizationServer } from '../support/authorization-server/authorization-server.ts';
import { testClock } from '../support/time/clock.ts';
import { startRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { whoIs } from './steps.ts';

const minute = 60_000;

async function sessionsOf(browser: TestBrowser): Promise<SessionEntry[]> {
  const response = await browser.fetch('/bff/sessions');
  expect(response.status).toBe(200);
  return (await response.json()) as SessionEntry[];
}

async function idOf(browser: TestBrowser): Promise<string> {
  const user = (await (await browser.fetch('/bff/user')).json()) as { session: { id: string } };
  return user.session.id;
}

/** Status and code of an answer, and that it cannot be kept. */
async function outcomeOf(response: Response): Promise<(number | string | undefined)[]> {
  expect(response.headers.get('cache-control')).toBe('no-store');
  const text = await response.text();
  const { code } = (text ? JSON.parse(text) : {}) as { code?: string };
  return [response.status, code];
}

const remove = (browser: TestBrowser, id = '') =>
  browser.fetch(`/bff/sessions${id && `/${id}`}`, { method: 'DELETE' });

/** The refresh tokens the provider was asked to revoke. */
const revoked = ({ authorizationServer }: TestBff) =>
  authorizationServer.requestsTo('revocation').map(({ form }) => form.get('token'));

async function refreshTokenOf(bff: TestBff, browser: TestBrowser): Promise<string | undefined> {
  const session = await bff.app.get(SessionStore).read(await idOf(browser));
  return session?.tokens.refreshToken;
}

const everyCall: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/bff/sessions'],
  ['DELETE', '/bff/sessions'],
  ['DELETE', '/bff/sessions/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
];

const forgeries: readonly FetchOptions[] = [
  { csrf: false },
  { headers: { 'x-csrf': '2' } },
  { headers: { 'sec-fetch-site': 'same-site' } },
  { headers: { origin: 'https://evil.example' } },
];

describe('the sessions of a user', () => {
  let bff: TestBff;
  let replica: TestBff;
  let phone: TestBrowser;
  let laptop: TestBrowser;
  let bob: TestBrowser;
  beforeAll(async () => {
    bff = await startBff({ session: { idle: '10m', absolute: '1h' } });
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

  /** Whether a browser is still signed in, asked where its session was not begun as well. */
  const isSignedIn = async (browser: TestBrowser) => {
    const headers = { cookie: browser.cookieHeader() };
    const statusAt = async (on: TestBff) =>
      (await on.browser().fetch('/bff/user', { headers })).status;
    const [here, there] = await Promise.all([bff, replica].map(statusAt));
    expect(here).toBe(there);
    return here === 200;
  };

  it('are listed in exactly the promised shape, the newest first, without those of others', async () => {
    const response = await phone.fetch('/bff/sessions');
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.getSetCookie()).toEqual([]);
    const sessions = (await response.json()) as SessionEntry[];
    const entry = {
      provider: 'corp',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      lastSeenAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64) LittleBrowser/1.0',
    };
    expect(sessions).toEqual([
      { id: await idOf(laptop), current: false, ...entry },
      { id: await idOf(phone), current: true, ...entry },
    ]);
    for (const { createdAt, expiresAt } of sessions)
      expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(60 * minute);
  });

  it('are available by HEAD as well', async () => {
    const response = await phone.fetch('/bff/sessions', { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
    const forged = await phone.fetch('/bff/sessions', { method: 'HEAD', csrf: false });
    expect(forged.status).toBe(403);
  });

  it('end one by one: refused on every replica at once, and revoked at the provider', async () => {
    const token = await refreshTokenOf(bff, laptop);
    const response = await remove(phone, await idOf(laptop));
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(await isSignedIn(laptop)).toBe(false);
    expect(await isSignedIn(phone)).toBe(true);
    expect((await laptop.fetch('/api/x')).status).toBe(401);
    await waitFor(() => expect(revoked(bff)).toEqual([token]));
    expect(await sessionsOf(phone)).toEqual([expect.objectContaining({ current: true })]);
    expect(await outcomeOf(await remove(phone, await idOf(phone)))).toEqual([204, undefined]);
  });

  it('end with the current one too, which is a sign-out with its cookie', async () => {
    const [token, id] = [await refreshTokenOf(bff, phone), await idOf(phone)];
    const stolen = phone.cookieHeader();
    const response = await remove(phone, id);
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^bff=; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT;/),
    ]);
    expect(phone.cookies().map(({ name }) => name)).toEqual(['bff-login']);
    const replay = await replica.browser().fetch('/api/x', { headers: { cookie: stolen } });
    expect(replay.status).toBe(401);
    expect(await isSignedIn(laptop)).toBe(true);
    await waitFor(() => expect(revoked(bff)).toEqual([token]));
  });

  it('end all but this one', async () => {
    const third = await bff.signedIn();
    const tokens = await Promise.all([phone, third].map((one) => refreshTokenOf(bff, one)));
    const response = await remove(laptop);
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(response.headers.getSetCookie()).toEqual([]);
    for (const other of [phone, third]) expect(await isSignedIn(other)).toBe(false);
    for (const kept of [laptop, bob]) expect(await isSignedIn(kept)).toBe(true);
    await waitFor(() => expect(revoked(bff).toSorted()).toEqual(tokens.toSorted()));
    expect(await outcomeOf(await remove(laptop))).toEqual([204, undefined]);
    expect(await isSignedIn(laptop)).toBe(true);
  });

  it('of another user are unknown, like those that never were, and go on', async () => {
    const foreign = await idOf(bob);
    const unknown = ['A'.repeat(43), 'x', '%7Bid%7D', '{id}', '..;', 'current', `${foreign}%20`];
    for (const id of [foreign, ...unknown]) {
      const outcome = await outcomeOf(await remove(phone, id));
      expect([[404, 'not_found'], ...(id === '..;' ? [[400, 'bad_path']] : [])]).toContainEqual(
        outcome,
      );
    }
    for (const browser of [phone, laptop, bob]) expect(await isSignedIn(browser)).toBe(true);
    expect(revoked(bff)).toEqual([]);
  });

  it.each(everyCall)(
    '%s %s without a session is 401, with every value of user.anonymous',
    async (method, path) => {
      const response = await bff.browser().fetch(path, { method });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({
        code: 'not_signed_in',
        loginUrl: '/bff/login',
      });
    },
  );

  it.each(everyCall)(
    '%s %s needs the proof against forgery, signed in or not',
    async (method, path) => {
      for (const browser of [phone, bff.browser()]) {
        for (const options of forgeries) {
          const response = await browser.fetch(path, { method, ...options });
          expect(await outcomeOf(response)).toEqual([403, 'csrf']);
        }
      }
      for (const browser of [phone, laptop, bob]) expect(await isSignedIn(browser)).toBe(true);
    },
  );

  it.each([
    ['POST', '/bff/sessions', 'GET, HEAD, DELETE'],
    ['OPTIONS', '/bff/sessions', 'GET, HEAD, DELETE'],
    ['GET', '/bff/sessions/AAAA', 'DELETE'],
    ['HEAD', '/bff/sessions/AAAA', 'DELETE'],
    ['PUT', '/bff/sessions/AAAA', 'DELETE'],
  ])('%s %s is not allowed', async (method, path, allow) => {
    const response = await phone.fetch(path, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it.each(['/bff/sessions/', '/bff/sessions/a/b'])('%s is nothing', async (path) => {
    expect(await outcomeOf(await phone.fetch(path, { method: 'DELETE' }))).toEqual([
      404,
      'not_found',
    ]);
  });

  it('have a line in the log when they end, without a secret', async () => {
    const before = bff.logs.lines.length;
    const [cookie, token] = [laptop.cookieHeader(), await refreshTokenOf(bff, laptop)];
    await remove(phone, await idOf(laptop));
    await remove(phone);
    await remove(phone, await idOf(phone));
    const lines = bff.logs.lines.slice(before);
    const logged = lines.filter(({ context }) => context === 'SessionsController');
    expect(logged).toEqual([
      expect.objectContaining({ msg: 'session ended by its user', provider: 'corp' }),
      expect.objectContaining({ msg: 'other sessions ended by their user', ended: 0 }),
      expect.objectContaining({ msg: 'signed out', provider: 'corp' }),
    ]);
    const secret = decodeURIComponent(/bff=([^;]+)/.exec(cookie)?.[1] ?? '').slice(2, 45);
    for (const word of [secret, token ?? '', 'alice', 'LittleBrowser']) {
      expect(word).not.toBe('');
      expect(JSON.stringify(lines)).not.toContain(word);
    }
  });
});

describe('a list of sessions', () => {
  it('says when each was last seen, and is a sign of life itself, like ending one', async () => {
    const clock = testClock();
    await using bff = await startBff({
      store: 'memory',
      clock: clock.now,
      session: { idle: '10m' },
      user: { anonymous: 200 },
    });
    const [here, there] = [await bff.signedIn(), await bff.signedIn()];
    clock.advance(6 * minute);
    await there.fetch('/bff/user');
    clock.advance(3 * minute);
    const [other, own] = await sessionsOf(here);
    expect(clock.now() - Date.parse(other?.lastSeenAt ?? '')).toBeGreaterThanOrEqual(3 * minute);
    expect(clock.now() - Date.parse(other?.lastSeenAt ?? '')).toBeLessThan(4 * minute);
    expect(clock.now() - Date.parse(own?.lastSeenAt ?? '')).toBeLessThan(minute);
    const signsOfLife = [
      () => sessionsOf(here),
      () => remove(here, 'unknown'),
      () => remove(here),
      () => whoIs(here),
    ];
    for (const show of signsOfLife) {
      clock.advance(9 * minute);
      await show();
    }
    expect(await whoIs(here)).toBe('alice');
    clock.advance(11 * minute);
    expect((await here.fetch('/bff/sessions')).status).toBe(401);
  });

  it.each([
    ['quotes and markup', `a"b'c\\<script>alert(1)</script>`, `a"b'c\\<script>alert(1)</script>`],
    ['octets beyond ASCII', 'M\u00f6bius \u00ff', 'M\u00f6bius \u00ff'],
    ['512 characters', 'u'.repeat(512), 'u'.repeat(512)],
    ['more than 512 characters', 'u'.repeat(3000), 'u'.repeat(512)],
    ['nothing in it', '', null],
    ['no name at all', null, null],
  ])('shows a browser that sent a name with %s', async (_, sent, shown) => {
    await using bff = await startBff({ store: 'memory' });
    const browser = bff.browser();
    const headers = { 'user-agent': sent };
    await browser.navigate('/bff/login?login_hint=alice', { headers });
    expect((await sessionsOf(browser)).map(({ userAgent }) => userAgent)).toEqual([shown]);
  });

  it('knows nothing of a namesake at another provider', async () => {
    const partner = await startAuthorizationServer();
    await using bff = await startBff({
      store: 'memory',
      providers: (usual) => [usual, { ...usual, id: 'partner', issuer: partner.issuer }],
    });
    partner.registerClient({ redirect_uris: [`${bff.url}/bff/callback/partner`] });
    const [here, there] = [await bff.signedIn(), bff.browser()];
    await bff.signIn(there, { provider: 'partner' });
    expect([await whoIs(here), await whoIs(there)]).toEqual(['alice', 'alice']);
    for (const [browser, provider] of [
      [here, 'corp'],
      [there, 'partner'],
    ] as const)
      expect(await sessionsOf(browser)).toEqual([expect.objectContaining({ provider })]);
    expect((await remove(here, await idOf(there))).status).toBe(404);
    expect((await remove(here)).status).toBe(204);
    expect([await whoIs(here), await whoIs(there)]).toEqual(['alice', 'alice']);
    await partner.close();
  });

  it('is 503 while Redis is away, and no user is signed out', async () => {
    const redis = await startRedis();
    await using bff = await startBff({ redis: { url: redis.url } });
    const browser = await bff.signedIn();
    const cookie = browser.cookieHeader();
    redis.pause();
    for (const [method, path] of everyCall) {
      const response = await browser.fetch(path, { method });
      expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(await outcomeOf(response)).toEqual([503, 'session_store_unavailable']);
    }
    expect(browser.cookieHeader()).toBe(cookie);
    redis.resume();
    await waitFor(async () => (await sessionsOf(browser)).length === 1);
    await bff.close();
    await redis.stop();
  });
});
