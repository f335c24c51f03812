import { respondWith, type Handler } from '../support/upstream/responses.ts';
import type { AuthorizationServerOptions } from '../support/authorization-server/authorization-server.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import { testClock } from '../support/time/clock.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { logoutToken, send, sidIn, signedInAt, signOut, statusesAt } from './logout-tokens.ts';
import { errorCode, keysOf, whoIs } from './steps.ts';

const minute = 60_000;

/** A BFF whose provider names its sessions. */
function startBackchannelBff({
  authorizationServer,
  ...others
}: Omit<BffOverrides, 'authorizationServer'> & {
  readonly authorizationServer?: AuthorizationServerOptions;
} = {}): Promise<TestBff> {
  return startBff({
    authorizationServer: { backchannelLogout: true, ...authorizationServer },
    ...others,
  });
}

/** A door that is shut: whoever waits for it goes on when it is opened. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { isOpen: promise, open: () => resolve() };
}

describe('a logout by the provider while tokens are refreshed', () => {
  it.each(['sub', 'sid'])('is not undone (%s), and the late tokens are revoked', async (name) => {
    const clock = testClock();
    await using bff = await startBackchannelBff({
      clock: clock.now,
      authorizationServer: { accessTokenSeconds: 60 },
    });
    const other = await bff.replica();
    const { browser, sid } = await signedInAt(bff);
    clock.advance(61_000);
    const tokenGate = gate();
    const spent: string[] = [];
    bff.authorizationServer.transform('token', async (json) => {
      spent.push(String(json['refresh_token']));
      await tokenGate.isOpen;
      return json;
    });
    const call = browser.fetch('/api/x');
    await waitFor(() => spent.length === 1);

    const exp = Math.floor(clock.now() / 1000) + 120;
    const claims = name === 'sub' ? { sub: 'alice', exp } : { sid, exp };
    expect(await signOut(other, claims)).toBe(200);
    tokenGate.open();

    expect((await call).status).toBe(401);
    expect(await keysOf(bff, 'session')).toEqual([]);
    expect(await statusesAt(other, browser)).toEqual([401, 401]);
    const [late = ''] = spent;
    const { RefreshToken } = bff.authorizationServer.provider;
    await waitFor(async () => (await RefreshToken.find(late)) === undefined);
    const revocations = bff.authorizationServer.requestsTo('revocation');
    expect(revocations.map(({ form }) => form.get('token'))).toContain(late);
  });
});

describe('a logout by the provider while an API responds', () => {
  it('does not break the response off, and is not undone when it ends', async () => {
    await using bff = await startBackchannelBff();
    const rest = gate();
    bff.upstream.handler = async (_request, response) => {
      response.writeHead(200).write('first ');
      await rest.isOpen;
      response.end('second');
    };
    const { browser, sid } = await signedInAt(bff);
    const response = await browser.fetch('/api/x');
    expect(await signOut(bff, { sid })).toBe(200);
    rest.open();
    expect(await response.text()).toBe('first second');
    bff.upstream.handler = respondWith(200);
    expect(await keysOf(bff, 'session')).toEqual([]);
    expect(await statusesAt(bff, browser)).toEqual([401, 401]);
  });
});

type Way = (
  bff: TestBff,
  signOutNow: (claims: Readonly<Record<string, unknown>>) => Promise<number>,
) => void;

/** When the provider may send its logout token during a sign-in, whose code is redeemed by then. */
const moments: Readonly<Record<string, Way>> = {
  'before it answers the token request': ({ authorizationServer }, signOutNow) =>
    authorizationServer.override(
      'token',
      oncePassing(() => signOutNow({ sub: 'alice' })),
    ),
  'when it answers the token request, by sid': ({ authorizationServer }, signOutNow) =>
    authorizationServer.transform('token', async (json) => {
      await signOutNow({ sid: sidIn(json['id_token']) });
      return json;
    }),
  'when it answers the token request, by both': ({ authorizationServer }, signOutNow) =>
    authorizationServer.transform('token', async (json) => {
      await signOutNow({ sub: 'alice', sid: sidIn(json['id_token']) });
      return json;
    }),
  'before it answers the UserInfo request': ({ authorizationServer }, signOutNow) =>
    authorizationServer.override(
      'userinfo',
      oncePassing(() => signOutNow({ sub: 'alice' })),
    ),
};

function oncePassing(action: () => Promise<unknown>): Handler {
  return async () => {
    await action();
    return 'continue';
  };
}

describe('a logout by the provider during a sign-in', () => {
  it.each(Object.entries(moments))('%s, leaves no session behind', async (_, arrange) => {
    await using bff = await startBackchannelBff({
      authorizationServer: { claimsInIdToken: false },
    });
    const other = await bff.replica();
    const bob = await bff.signedIn('bob');
    const statuses: number[] = [];
    arrange(bff, async (claims) => statuses.push(await signOut(other, claims)));

    const browser = bff.browser();
    const page = await bff.signIn(browser, { login_hint: 'alice' });
    expect(statuses).toEqual([200]);
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    expect(page.history.at(-1)?.setCookie.join()).not.toMatch(/\bbff=[^;]/);
    await expect(whoIs(browser)).resolves.toBeUndefined();
    expect(await keysOf(bff, 'session')).toHaveLength(1);
    await expect(whoIs(bob)).resolves.toBe('bob');

    bff.authorizationServer.override('token', undefined);
    bff.authorizationServer.override('userinfo', undefined);
    bff.authorizationServer.transform('token', undefined);
    await bff.signedIn('alice', browser);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('leaves a session of another user in the same browser as it was', async () => {
    // A provider with back-channel logout would sign bob out itself, when alice takes his place
    // there.
    await using bff = await startBff();
    const browser = await bff.signedIn('bob');
    bff.authorizationServer.override(
      'token',
      oncePassing(() => signOut(bff, { sub: 'alice' })),
    );
    const page = await bff.signIn(browser, { login_hint: 'alice' });
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    await expect(whoIs(browser)).resolves.toBe('bob');
  });

  it('of another user lets the sign-in pass', async () => {
    await using bff = await startBackchannelBff();
    bff.authorizationServer.override(
      'token',
      oncePassing(() => signOut(bff, { sub: 'bob' })),
    );
    await expect(whoIs(await bff.signedIn())).resolves.toBe('alice');
  });

  it('of many leaves no session half there', async () => {
    await using bff = await startBackchannelBff();
    const other = await bff.replica();
    const browsers = Array.from({ length: 24 }, () => bff.browser());
    const signIns = browsers.map((browser) => bff.signIn(browser, { login_hint: 'alice' }));
    await waitFor(() => bff.authorizationServer.tokenRequests().length >= 4);
    const began = performance.now();
    expect(await signOut(other, { sub: 'alice' })).toBe(200);
    expect(performance.now() - began).toBeLessThan(5000);
    await Promise.all(signIns);
    // Whoever came back from the provider later than the logout is a new sign-in and may stay; no
    // session may be half there.
    const whose = await Promise.all(browsers.map((browser) => whoIs(browser)));
    const signedIn = whose.filter((sub) => sub === 'alice').length;
    expect(signedIn).toBeLessThan(24);
    expect(await keysOf(bff, 'session')).toHaveLength(signedIn);
    expect(await signOut(other, { sub: 'alice' })).toBe(200);
    expect(await keysOf(bff, 'session')).toEqual([]);
  });
});

describe('replicas whose clocks differ', () => {
  it.each([-60, 60])(
    'stop a sign-in that is under way, and let a later one pass (%i minutes)',
    async (minutes) => {
      await using bff = await startBackchannelBff();
      const { url, keyPrefix } = bff.redis;
      const now = () => Date.now() + minutes * minute;
      await using other = await startBff({
        clock: now,
        redis: { url, keyPrefix },
        authorizationServer: bff.authorizationServer,
      });
      const iat = Math.floor(now() / 1000);
      const signOutThere = () => signOut(other, { sub: 'alice', iat, exp: iat + 120 });
      bff.authorizationServer.override('token', oncePassing(signOutThere));
      const browser = bff.browser();
      const stopped = await bff.signIn(browser, { login_hint: 'alice' });
      expect([stopped.status, errorCode(stopped)]).toEqual([400, 'login_expired']);
      await expect(whoIs(browser)).resolves.toBeUndefined();

      bff.authorizationServer.override('token', undefined);
      await expect(whoIs(await bff.signedIn('alice', browser))).resolves.toBe('alice');
    },
  );
});

describe('a logout by the provider during an outage', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(() => redis.stop());

  it.each(['is down', 'hangs'])(
    'is 503 while Redis %s, and the same token counts afterwards',
    async (how) => {
      await using bff = await startBackchannelBff({ redis: { url: redis.url } });
      const alice = await bff.signedIn();
      const token = await logoutToken(bff.authorizationServer, { sub: 'alice' });
      if (how === 'hangs') redis.pause();
      else await redis.stop();
      const failed = await send(bff, token);
      expect([failed.status, failed.code]).toEqual([503, 'session_store_unavailable']);
      expect(failed.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(failed.headers.get('cache-control')).toBe('no-store');
      if (how === 'hangs') redis.resume();
      else await redis.restart();
      const statuses: number[] = [];
      await waitFor(async () => {
        statuses.push((await send(bff, token)).status);
        return statuses.at(-1) !== 503;
      });
      expect(statuses.filter((status) => status !== 503)).toEqual([200]);
      await expect(whoIs(alice)).resolves.toBeUndefined();
      expect((await send(bff, token)).status).toBe(400);
    },
  );

  it('is 400 for what is no token, in every state of Redis', async () => {
    await using bff = await startBackchannelBff({ redis: { url: redis.url } });
    await redis.stop();
    expect((await send(bff, 'garbage')).status).toBe(400);
    expect((await send(bff, await logoutToken(bff.authorizationServer, {}))).status).toBe(400);
  });

  it('is 503 while the provider is down and its keys are not known', async () => {
    const clock = testClock();
    await using bff = await startBackchannelBff({ clock: clock.now });
    const token = await logoutToken(bff.authorizationServer, { sub: 'alice' });
    await bff.authorizationServer.goDown();
    const failed = await send(bff, token);
    expect([failed.status, failed.code]).toEqual([503, 'provider_unavailable']);
    expect(failed.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(failed.headers.get('cache-control')).toBe('no-store');
    await bff.authorizationServer.comeBack();
    clock.advance(2000);
    expect((await send(bff, token)).status).toBe(200);
  });

  it('needs no provider whose keys are known', async () => {
    await using bff = await startBackchannelBff();
    const alice = await bff.signedIn();
    await bff.authorizationServer.goDown();
    expect(await signOut(bff, { sub: 'alice' })).toBe(200);
    await expect(whoIs(alice)).resolves.toBeUndefined();
  });
});

describe('a token that was used', () => {
  it('can be used by one of many that send it at the same time', async () => {
    await using bff = await startBackchannelBff();
    const replicas = [bff, await bff.replica(), await bff.replica()];
    const alice = await bff.signedIn();
    const token = await logoutToken(bff.authorizationServer, { sub: 'alice' });
    const parallel = Array.from({ length: 20 }, (_, n) => send(replicas[n % 3] ?? bff, token));
    const statuses = (await Promise.all(parallel)).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, ...Array.from({ length: 19 }, () => 400)]);
    await expect(whoIs(alice)).resolves.toBeUndefined();
  });

  it('is refused on every replica until it has expired, and ends no later session', async () => {
    const clock = testClock();
    await using bff = await startBackchannelBff({ clock: clock.now });
    const replicas = [bff, await bff.replica()];
    const token = await logoutToken(bff.authorizationServer, { sub: 'alice' });
    expect((await send(bff, token)).status).toBe(200);
    const alice = await bff.signedIn();
    for (const replica of replicas) {
      const replayed = await send(replica, token);
      expect([replayed.status, replayed.code]).toEqual([400, 'invalid_logout_token']);
    }
    clock.advance(2 * minute);
    for (const replica of replicas) expect((await send(replica, token)).status).toBe(400);
    await expect(whoIs(alice)).resolves.toBe('alice');
  });

  it('says nothing about a token of the same jti from another provider', async () => {
    const jti = 'the same';
    await using bff = await startBackchannelBff();
    expect(await signOut(bff, { sub: 'alice', jti })).toBe(200);
    expect(await signOut(bff, { sub: 'bob', jti })).toBe(400);
    await using other = await startBackchannelBff({
      redis: { url: bff.redis.url, keyPrefix: bff.redis.keyPrefix },
    });
    expect(await signOut(other, { sub: 'alice', jti })).toBe(200);
  });

  it('is not used up by being refused for whom it names', async () => {
    await using bff = await startBackchannelBff();
    const { sid } = await signedInAt(bff);
    const token = await logoutToken(bff.authorizationServer, { sub: 'bob', sid });
    expect((await send(bff, token)).status).toBe(400);
    expect((await send(bff, token)).status).toBe(400);
    expect(await signOut(bff, { sid })).toBe(200);
    expect((await send(bff, token)).status).toBe(200);
  });
});
