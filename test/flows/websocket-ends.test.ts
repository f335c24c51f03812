import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { eventFeed } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { startServer, plainOptions } from '../support/bff/built-server.ts';
import { startNetwork } from '../support/redis/network.ts';
import { startRedis } from '../support/redis/redis.ts';
import { startUpstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';
import {
  acceptWebSockets,
  openWebSocket,
  type Peer,
  Refusal,
  refusalOf,
} from '../support/network/web-sockets.ts';
import { logOut } from './steps.ts';

const overBySession = { code: 4401, reason: '' };

/** Ends must be heard of within this time, in milliseconds. */
const aSecond = 1000;

/** How long after `end` a WebSocket was over, in milliseconds, and how. */
async function timeOf(peer: Peer, end: () => Promise<unknown>) {
  const start = performance.now();
  await end();
  const ended = await peer.ended;
  return { ended, milliseconds: performance.now() - start };
}

describe('the end of a session', () => {
  let bff: TestBff;
  let other: TestBff;

  beforeAll(async () => {
    bff = await startBff({ management: { token: 'management-token-of-the-tests' } });
    other = await bff.replica();
  });

  afterAll(() => bff.close());

  it('closes its WebSockets with 4401, at both ends, and no others', async () => {
    const accepted = acceptWebSockets(bff.upstream);
    const [alice, bob] = [await bff.signedIn('alice'), await bff.signedIn('bob')];
    const [hers, his] = [await openWebSocket(bff, alice), await openWebSocket(bff, bob)];
    const { ended, milliseconds } = await timeOf(hers, () => logOut(alice));
    expect([ended, await (await accepted.next()).ended]).toEqual([overBySession, overBySession]);
    expect(milliseconds).toBeLessThan(1000);
    his.socket.send('still here');
    expect(await his.hears(1)).toEqual(['still here']);
    his.socket.close();
  });

  it.each<[string, (browser: TestBrowser) => Promise<unknown>]>([
    ['a logout', logOut],
    ['the operator', endByOperator],
    ['another sign-in of the same browser', (browser) => bff.signedIn('bob', browser)],
  ])('on another replica closes them within a second: %s', async (_how, end) => {
    acceptWebSockets(bff.upstream);
    const alice = await bff.signedIn();
    const page = await openWebSocket(other, alice);
    const { ended, milliseconds } = await timeOf(page, () => end(alice));
    expect(ended).toEqual(overBySession);
    expect(milliseconds).toBeLessThan(aSecond);
  });

  it('comes between two frames, never inside one', async () => {
    const accepted = acceptWebSockets(bff.upstream, { echo: false });
    const alice = await bff.signedIn();
    const page = await openWebSocket(bff, alice);
    const sender = await accepted.next();
    const message = 'x'.repeat(70_000);
    let isOver = false;
    void sender.ended.then(() => (isOver = true));
    const send = () => {
      if (!isOver && sender.socket.readyState === 1) sender.socket.send(message, send);
    };
    send();
    await page.hears(20);
    const { ended } = await timeOf(page, () => logOut(alice));
    expect(ended).toEqual(overBySession);
    expect(new Set(page.heard.map((text) => text.length))).toEqual(new Set([message.length]));
  });

  it('cuts off an upstream that stops in the middle of a frame', async () => {
    const alice = await bff.signedIn();
    acceptWebSockets(bff.upstream, { echo: false });
    const accept = bff.upstream.onUpgrade;
    bff.upstream.onUpgrade = (request, socket, head) => {
      accept?.(request, socket, head);
      socket.write(Buffer.from([0x82, 0x7e, 0xff, 0xff, 1, 2, 3]));
    };
    const page = await openWebSocket(bff, alice);
    const { ended, milliseconds } = await timeOf(page, () => logOut(alice));
    expect(ended.code).toBe(1006);
    expect(milliseconds).toBeLessThan(aSecond);
  });

  it('breaks off its event streams and long polls on every replica, and no others', async () => {
    const feed = eventFeed();
    bff.upstream.handler = feed.handler;
    const [alice, bob] = [await bff.signedIn('alice'), await bff.signedIn('bob')];
    alice.via(other.port);
    bob.via(other.port);
    const [hers, his] = [await alice.fetch('/api/events'), await bob.fetch('/api/events')];
    await waitFor(() => expect(feed.listeners).toBe(2));
    const broken = hers.text().then(
      () => 'ended',
      () => 'broken off',
    );
    await logOut(alice.via(bff.port));
    expect(await broken).toBe('broken off');
    await waitFor(() => expect(feed.listeners).toBe(1));
    feed.send('still here');
    feed.end();
    expect(await his.text()).toBe('data: still here\n\n');
  });

  it.each([
    [
      'a download',
      (response: ServerResponse) =>
        response.writeHead(200, { 'content-length': '4' }).flushHeaders(),
      'GET',
    ],
    ['an order', () => undefined, 'POST'],
    ['a slow answer', () => undefined, 'GET'],
  ])('lets %s that is under way come to its end', async (_what, begin, method) => {
    const upstreamResponse = Promise.withResolvers<ServerResponse>();
    bff.upstream.handler = (_request, response) => {
      begin(response);
      upstreamResponse.resolve(response);
    };
    const alice = await bff.signedIn('alice');
    const call = alice.fetch('/api/x', { method });
    const response = await upstreamResponse.promise;
    await delay(1_200); // until it is a long one
    await logOut(alice);
    await delay(600); // and has been looked at since
    response.end('done');
    expect(await (await call).text()).toBe('done');
  });

  async function endByOperator(browser: TestBrowser): Promise<void> {
    const user = (await (await browser.fetch('/bff/user')).json()) as { session: { id: string } };
    const deletion = await fetch(`${bff.managementUrl}/sessions/${user.session.id}`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer management-token-of-the-tests' },
    });
    expect(deletion.status).toBe(204);
  }
});

describe('the time of a session', () => {
  it.each([
    ['its idle time', { idle: '2s' }],
    ['its absolute end', { idle: '2s', absolute: '3s' }],
  ])('closes its WebSockets when %s is over', async (_which, session) => {
    await using bff = await startBff({ session });
    acceptWebSockets(bff.upstream);
    const alice = await bff.signedIn();
    const page = await openWebSocket(bff, alice);
    const isInUse = 'absolute' in session;
    const calls: Promise<unknown>[] = [];
    const interval = setInterval(() => isInUse && calls.push(alice.fetch('/api/x')), 300);
    const { ended, milliseconds } = await timeOf(page, async () => undefined);
    clearInterval(interval);
    await Promise.all(calls);
    expect(ended).toEqual(overBySession);
    expect(milliseconds).toBeGreaterThan(isInUse ? 2 * aSecond : aSecond);
    expect(milliseconds).toBeLessThan(isInUse ? 4 * aSecond : 3 * aSecond);
  });
});

describe('an outage of Redis', () => {
  it('closes no WebSocket, but what ended meanwhile is closed after it', async () => {
    const redis = await startRedis();
    const network = await startNetwork(redis.port);
    try {
      await using bff = await startBff({ redis: { url: network.url } });
      const accepted = acceptWebSockets(bff.upstream);
      const alice = await bff.signedIn();
      const page = await openWebSocket(bff, alice);
      await network.refuse();
      const refused = () => openWebSocket(bff, alice);
      await waitFor(async () =>
        expect(await refusalOf(refused())).toEqual([503, 'session_store_unavailable']),
      );
      await delay(1_500); // two rounds in which nobody can be asked
      page.socket.send('hello');
      expect(await page.hears(1)).toEqual(['hello']);
      await redis.command('FLUSHALL');
      await network.restore();
      expect(await page.ended).toEqual(overBySession);
      expect(accepted.all).toHaveLength(1);
    } finally {
      network.close();
      await redis.stop();
    }
  });
});

describe('the number of WebSockets', () => {
  it('of one session is limited, also while they are being opened', async () => {
    await using bff = await startBff({ store: 'memory', session: { maxWebSockets: 2 } });
    acceptWebSockets(bff.upstream);
    const [alice, bob] = [await bff.signedIn('alice'), await bff.signedIn('bob')];
    const opened = await Promise.allSettled([1, 2, 3, 4].map(() => openWebSocket(bff, alice)));
    const refused = opened.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused).toEqual([
      expect.objectContaining({ status: 429, code: 'rate_limited' }),
      expect.objectContaining({ status: 429, code: 'rate_limited' }),
    ]);
    expect((refused[0] as Refusal).response.headers['retry-after']).toMatch(/^\d+$/);
    (await openWebSocket(bff, bob)).socket.close();
    const [first] = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    first?.socket.close();
    const again = await waitFor(() => openWebSocket(bff, alice));
    again.socket.close();
  });

  it('may be without a limit, and a refused opening takes no place', async () => {
    await using bff = await startBff({ store: 'memory', session: { maxWebSockets: 1 } });
    const alice = await bff.signedIn();
    for (let tries = 0; tries < 3; tries += 1) {
      expect((await refusalOf(openWebSocket(bff, alice)))[0]).toBe(502);
    }
    await using other = await startBff({ store: 'memory', session: { maxWebSockets: 0 } });
    acceptWebSockets(other.upstream);
    const bob = await other.signedIn();
    for (let count = 0; count < 3; count += 1) await openWebSocket(other, bob);
  });
});

describe('a drain', () => {
  it('closes WebSockets with 1001, also one that is just being opened, and is not held up', async () => {
    const upstream = await startUpstream();
    const accepted = acceptWebSockets(upstream);
    const routes = [{ path: '/open', upstream: upstream.url, token: 'none' }];
    const options = await plainOptions({ routes });
    const port = Number(options.server?.port);
    await using server = await startServer(options);
    const target = { url: options.publicUrl, port };
    const page = await openWebSocket(target, undefined, { path: '/open' });
    const accept = upstream.onUpgrade;
    const late = Promise.withResolvers<void>();
    upstream.onUpgrade = (...upgrade) => void late.promise.then(() => accept?.(...upgrade));
    const opening = openWebSocket(target, undefined, { path: '/open' });
    await waitFor(() => upstream.requests.length === 2);
    server.signal('SIGTERM');
    expect((await page.ended).code).toBe(1001);
    late.resolve();
    expect((await (await opening).ended).code).toBe(1001);
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect((await (await accepted.next()).ended).code).toBe(1001);
    await upstream.close();
  });
});

describe('the frontend’s server', () => {
  it('gets WebSockets of all users, without a session, a token or a cookie of the BFF', async () => {
    const frontend = await startUpstream();
    await using bff = await startBff({ store: 'memory', frontend: { url: frontend.url } });
    acceptWebSockets(frontend);
    const alice = await bff.signedIn();
    await alice.navigate('/bff/login', { redirect: 'manual' });
    const cookie = `${alice.cookieHeader('/bff/callback')}; theirs=1`;
    expect(cookie).toMatch(/bff=.*bff-login=|bff-login=.*bff=/);
    const page = await openWebSocket(bff, undefined, {
      path: '/?token=hmr',
      protocols: ['vite-hmr'],
      headers: { cookie },
    });
    page.socket.send('hello');
    expect(await page.hears(1)).toEqual(['hello']);
    const { url, headers } = frontend.last;
    expect([url, headers.cookie, headers.authorization]).toEqual([
      '/?token=hmr',
      'theirs=1',
      undefined,
    ]);
    expect(await refusalOf(openWebSocket(bff, alice, { path: '/bff/x' }))).toEqual([
      404,
      'not_found',
    ]);
    await logOut(alice);
    page.socket.send('still here');
    expect(await page.hears(2)).toEqual(['hello', 'still here']);
    page.socket.close();
    await once(page.socket, 'close');
    await frontend.close();
  });
});
