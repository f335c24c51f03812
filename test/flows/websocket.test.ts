import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { testClock } from '../support/time/clock.ts';
import { freePort } from '../support/network/ports.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { startRawUpstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';
import {
  type AcceptedSockets,
  acceptWebSockets,
  type Opening,
  openWebSocket,
  refusalOf,
} from '../support/network/web-sockets.ts';

const mebibyte = 1024 * 1024;

let bff: TestBff;
let alice: TestBrowser;
let accepted: AcceptedSockets;

beforeAll(async () => {
  const unusedOrigin = `http://127.0.0.1:${await freePort()}`;
  bff = await startBff({
    store: 'memory',
    routes: (usual, { upstream: { url } }) => [
      usual,
      { path: '/open', upstream: url, token: 'none' },
      { path: '/optional', upstream: url, token: 'optional' },
      { path: '/stripped', upstream: `${url}/base`, stripPrefix: true },
      { path: '/without', upstream: url, websocket: false },
      { path: '/short', upstream: url, timeout: '100ms' },
      { path: '/quiet', upstream: url, idleTimeout: '100ms' },
      { path: '/down', upstream: unusedOrigin },
    ],
  });
  alice = await bff.signedIn();
});

afterAll(() => bff.close());

beforeEach(() => {
  bff.upstream.requests.length = 0;
  accepted = acceptWebSockets(bff.upstream);
});

/** A handshake as bytes; `null` takes a line away. */
function handshake(changes: Record<string, string | null> = {}, line = 'GET /api/x HTTP/1.1') {
  const headers = {
    Host: 'x',
    Cookie: alice.cookieHeader('/'),
    Origin: bff.url,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...changes,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== null);
  return `${[line, ...lines.map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n`;
}

async function rawSocket(bytes: string): Promise<Socket> {
  const socket = connect(bff.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'data');
  return socket;
}

/** Never answers, but hears when the other end hangs up. */
function hold(socket: Duplex): Promise<unknown> {
  socket.once('end', () => socket.end()).resume();
  return once(socket, 'close');
}

describe('a WebSocket of a page that is signed in', () => {
  it('is opened with the access token in the place of what the page sent', async () => {
    const cookie = `${alice.cookieHeader('/')}; bff-login=planted; theirs=1`;
    const headers = { cookie, authorization: 'Bearer planted', 'x-forwarded-for': '1.2.3.4' };
    const page = await openWebSocket(bff, undefined, { path: '/api/socket?room=1', headers });
    expect(bff.upstream.last).toMatchObject({ method: 'GET', url: '/api/socket?room=1' });
    expect(bff.upstream.last.headers).toMatchObject({
      authorization: expect.stringMatching(/^Bearer (?!planted)\S+$/),
      cookie: 'theirs=1',
      origin: bff.url,
      upgrade: 'websocket',
      connection: 'Upgrade',
      'x-forwarded-for': '127.0.0.1',
    });
    page.socket.close();
  });

  it('carries text and bytes of every length both ways', async () => {
    const page = await openWebSocket(bff, alice);
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 2 * mebibyte]) {
      const bytes = randomBytes(length);
      const message = once(page.socket, 'message');
      page.socket.send(bytes);
      const [data, isBinary] = (await message) as [Buffer, boolean];
      expect([data.equals(bytes), isBinary]).toEqual([true, true]);
    }
    const message = once(page.socket, 'message');
    page.socket.send('Grüße');
    expect(String((await message)[0])).toBe('Grüße');
    page.socket.close();
  });

  it('may be compressed and have a subprotocol, which are agreed on with the upstream alone', async () => {
    accepted = acceptWebSockets(bff.upstream, {
      perMessageDeflate: { threshold: 0 },
      handleProtocols: () => 'chat.v2',
    });
    const protocols = ['chat.v1', 'chat.v2'];
    const page = await openWebSocket(bff, alice, { protocols, perMessageDeflate: true });
    expect(bff.upstream.last.headers['sec-websocket-protocol']).toBe('chat.v1,chat.v2');
    expect(page.socket.protocol).toBe('chat.v2');
    expect(page.socket.extensions).toMatch(/permessage-deflate/);
    const text = 'x'.repeat(100_000);
    page.socket.send(text);
    expect(await page.hears(1)).toEqual([text]);
    page.socket.close();
  });

  it.each([
    ['page', 1000, ''],
    ['page', 4000, 'enough'],
    ['upstream', 1000, ''],
    ['upstream', 1011, 'broken'],
    ['upstream', 4999, 'theirs'],
  ])('is closed by the %s with its own code and reason: %i %s', async (who, code, reason) => {
    const page = await openWebSocket(bff, alice);
    const upstream = await accepted.next();
    const peers = { page, upstream };
    peers[who as keyof typeof peers].socket.close(code, reason);
    expect([await page.ended, await upstream.ended]).toEqual([
      { code, reason },
      { code, reason },
    ]);
  });

  it('passes pings and pongs end to end', async () => {
    const page = await openWebSocket(bff, alice);
    const pong = once(page.socket, 'pong');
    page.socket.ping('are you there');
    expect(String((await pong)[0])).toBe('are you there');
    page.socket.close();
  });

  it('ends for the other end when one of them vanishes', async () => {
    for (const who of ['page', 'upstream'] as const) {
      const page = await openWebSocket(bff, alice);
      const peers = { page, upstream: await accepted.next() };
      peers[who].socket.terminate();
      const { code } = await peers[who === 'page' ? 'upstream' : 'page'].ended;
      expect(code).toBe(1006);
    }
    await waitFor(async () => expect(await bff.upstream.connections()).toBe(0));
  });

  it('is closed after the silence its route allows', async () => {
    const page = await openWebSocket(bff, alice, { path: '/quiet' });
    expect((await page.ended).code).toBe(1001);
  });

  it('does not begin a new idle period', async () => {
    const clock = testClock();
    await using own = await startBff({ store: 'memory', clock: clock.now });
    acceptWebSockets(own.upstream);
    const bob = await own.signedIn('bob');
    clock.advance(20 * 60_000);
    const page = await openWebSocket(own, bob);
    page.socket.send('hello');
    await page.hears(1);
    clock.advance(9 * 60_000);
    const user = await bob.fetch('/bff/user?slide=false');
    const { session } = (await user.json()) as { session: { expiresIn: number } };
    expect(session.expiresIn).toBeLessThanOrEqual(60);
    page.socket.close();
  });

  it('is in the log as the request that opened it', async () => {
    const page = await openWebSocket(bff, alice, { path: '/api/logged?secret=1' });
    const line = bff.logs.lines.find(
      ({ req }) => (req as { path?: string } | undefined)?.path === '/api/logged',
    );
    expect(line).toMatchObject({ msg: 'request completed', res: { status: 101 } });
    page.socket.close();
  });
});

describe('a WebSocket over TLS', () => {
  it('is one like any other', async () => {
    await using own = await startBff({ https: true });
    acceptWebSockets(own.upstream);
    const bob = await own.signedIn('bob');
    const page = await openWebSocket(own, bob, { ca: own.ca });
    const text = 'x'.repeat(mebibyte);
    page.socket.send(text);
    expect(await page.hears(1)).toEqual([text]);
    await bob.fetch('/bff/logout', { method: 'POST' });
    expect((await page.ended).code).toBe(4401);
  });
});

describe('other routes', () => {
  it('without a token require neither a session nor an origin', async () => {
    const page = await openWebSocket(bff, alice, { path: '/open', origin: 'https://else.test' });
    const { authorization, cookie } = bff.upstream.last.headers;
    expect([authorization, cookie]).toEqual([undefined, undefined]);
    page.socket.close();
  });

  it('with an optional token send it if there is one, and require our origin', async () => {
    const pages = [
      await openWebSocket(bff, undefined, { path: '/optional' }),
      await openWebSocket(bff, alice, { path: '/optional' }),
    ];
    const tokens = bff.upstream.requests.map(({ headers }) => headers.authorization);
    expect(tokens).toEqual([undefined, expect.stringMatching(/^Bearer /)]);
    for (const { socket } of pages) socket.close();
    const foreign = { path: '/optional', origin: 'https://else.test' };
    expect(await refusalOf(openWebSocket(bff, undefined, foreign))).toEqual([403, 'csrf']);
  });

  it('rewrite the path as for requests', async () => {
    const page = await openWebSocket(bff, alice, { path: '/stripped/a%7Eb?x=1' });
    expect(bff.upstream.last.url).toBe('/base/a~b?x=1');
    page.socket.close();
  });
});

describe('a WebSocket is refused', () => {
  it.each<[string, Opening, number, string]>([
    ['a page of another origin', { origin: 'https://evil.test' }, 403, 'csrf'],
    ['a page of the same host and another port', { origin: 'http://localhost:1' }, 403, 'csrf'],
    ['a page without an origin', { origin: 'null' }, 403, 'csrf'],
    ['whoever sends no Origin', { origin: null }, 403, 'csrf'],
    ['an odd path', { path: '/api/..;/x' }, 400, 'bad_path'],
    ['an encoded slash', { path: '/api/a%2fb' }, 400, 'bad_path'],
    ['a path of nobody', { path: '/nowhere' }, 404, 'not_found'],
    ['an endpoint of ours', { path: '/bff/user' }, 404, 'not_found'],
    ['a route without WebSockets', { path: '/without' }, 400, 'invalid_request'],
    ['a route whose upstream is down', { path: '/down' }, 502, 'upstream_unreachable'],
  ])('to %s', async (_who, opening, status, code) => {
    const opened = openWebSocket(bff, alice, opening);
    expect(await refusalOf(opened)).toEqual([status, code]);
    expect(bff.upstream.requests).toEqual([]);
  });

  it('to a signed-out user, with the login URL', async () => {
    const refusal = await openWebSocket(bff, undefined).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ status: 401, code: 'not_signed_in' });
    expect(JSON.parse((refusal as { body: string }).body)).toMatchObject({
      loginUrl: '/bff/login',
    });
    expect(bff.upstream.requests).toEqual([]);
  });

  it('with 504 when the upstream does not respond in time', async () => {
    bff.upstream.onUpgrade = (_request, socket) => void hold(socket);
    const opened = openWebSocket(bff, alice, { path: '/short' });
    expect(await refusalOf(opened)).toEqual([504, 'upstream_timeout']);
  });

  it.each<[string, Record<string, string | null>]>([
    ['with a length', { 'Content-Length': '5' }],
    ['with an empty body', { 'Content-Length': '0' }],
    ['with chunks', { 'Transfer-Encoding': 'chunked' }],
    ['of another version', { 'Sec-WebSocket-Version': '12' }],
    ['without a key', { 'Sec-WebSocket-Key': null }],
    ['with a short key', { 'Sec-WebSocket-Key': 'AAAA' }],
    ['by POST', { method: 'POST' }],
  ])(
    'that is requested %s, and the bytes after it are ignored',
    async (_how, { method, ...changes }) => {
      const bytes = handshake(changes, `${method ?? 'GET'} /api/x HTTP/1.1`);
      const smuggled = 'GET /open/smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
      const { statuses, closed } = await rawRequest(bff.port, bytes + smuggled);
      expect([statuses, closed]).toEqual([[400], true]);
      expect(bff.upstream.requests).toEqual([]);
    },
  );

  it.each([
    ['one of two protocols', { Upgrade: 'websocket, h2c' }],
    ['a connection that is not to be upgraded', { Connection: 'close' }],
  ])('for %s', async (_what, changes) => {
    const { statuses } = await rawRequest(bff.port, handshake(changes), { responses: 1 });
    expect([statuses, bff.upstream.requests]).toEqual([[400], []]);
  });
});

describe('an upgrade to something else', () => {
  it('is no upgrade: the request gets an ordinary response', async () => {
    const changes = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'X-CSRF': '1' };
    const bytes = handshake({ ...changes, 'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA' });
    const { statuses } = await rawRequest(bff.port, bytes, { responses: 1 });
    expect(statuses).toEqual([200]);
    expect(bff.upstream.last.headers).not.toHaveProperty('upgrade');
    expect(bff.upstream.last.headers).not.toHaveProperty('http2-settings');
  });
});

describe('an upstream’s response', () => {
  it('other than 101 is relayed, and the connection ends with it', async () => {
    bff.upstream.onUpgrade = (_request, socket) =>
      socket.end(
        'HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\n' +
          'Set-Cookie: bff=planted\r\nSet-Cookie: theirs=1\r\nX-Theirs: 1\r\nContent-Length: 4\r\n\r\nlate' +
          'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      );
    const smuggled = 'GET /api/smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
    const { statuses, text, closed } = await rawRequest(bff.port, handshake() + smuggled);
    expect([statuses, closed]).toEqual([[426], true]);
    expect(text).toMatch(/\r\nx-theirs: 1\r\n/i);
    expect(text).toMatch(/\r\nset-cookie: theirs=1\r\n/i);
    expect(text).toMatch(/\r\ncache-control: no-store\r\n/i);
    expect(text).toMatch(/\r\n\r\n(4\r\n)?late/);
    expect(text).not.toMatch(/planted|x-hop|\r\nupgrade:/i);
    expect(bff.upstream.requests).toHaveLength(1);
  });

  it('other than 101 may be long', async () => {
    bff.upstream.onUpgrade = (_request, socket) => {
      socket.write(`HTTP/1.1 403 No\r\nContent-Length: ${8 * mebibyte}\r\n\r\n`);
      socket.end(Buffer.alloc(8 * mebibyte));
    };
    const refusal = await openWebSocket(bff, alice).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ status: 403, body: '\0'.repeat(8 * mebibyte) });
  });

  it('without the proof that it read the handshake is no WebSocket', async () => {
    for (const lines of [
      'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: c29tZXRoaW5n\r\n',
      'Upgrade: h2c\r\nConnection: Upgrade\r\n',
      'X-Nothing: 1\r\n',
    ]) {
      await using raw = await disposable(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`);
      await using own = await startBff({ store: 'memory', route: { upstream: raw.url } });
      const opened = openWebSocket(own, await own.signedIn());
      expect(await refusalOf(opened)).toEqual([502, 'upstream_unreachable']);
    }
  });

  it('of 401 to an expired token causes one more try with another', async () => {
    let refusals = 0;
    const accept = bff.upstream.onUpgrade;
    bff.upstream.onUpgrade = (request, socket, head) => {
      refusals += 1;
      if (refusals > 1) return accept?.(request, socket, head);
      const challenge = 'WWW-Authenticate: Bearer error="invalid_token"';
      return void socket.end(`HTTP/1.1 401 No\r\n${challenge}\r\nContent-Length: 0\r\n\r\n`);
    };
    const page = await openWebSocket(bff, alice);
    const tokens = bff.upstream.requests.map(({ headers }) => headers.authorization);
    expect(new Set(tokens).size).toBe(2);
    page.socket.close();
  });
});

async function disposable(bytes: string) {
  const raw = await startRawUpstream(bytes, { keepOpen: true });
  return { ...raw, [Symbol.asyncDispose]: () => raw.close() };
}

describe('a handshake', () => {
  it('that is given up ends at the upstream too', async () => {
    for (const end of ['destroy', 'end'] as const) {
      const upgraded = Promise.withResolvers<Duplex>();
      bff.upstream.onUpgrade = (_request, socket) => upgraded.resolve(socket);
      const socket = connect(bff.port, '127.0.0.1');
      socket.write(handshake());
      const closed = hold(await upgraded.promise);
      socket[end]();
      await expect(closed).resolves.toBeDefined();
    }
  });

  it('behind an unanswered request ends the connection, and mixes nothing up', async () => {
    bff.upstream.handler = () => undefined;
    const first = 'GET /open/slow HTTP/1.1\r\nHost: x\r\n\r\n';
    const { text, closed } = await rawRequest(bff.port, first + handshake());
    expect([text, closed]).toEqual(['', true]);
  });

  it('may be followed at once by what the page has to say', async () => {
    const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
    const socket = connect(bff.port, '127.0.0.1');
    socket.write(Buffer.concat([Buffer.from(handshake()), frame]));
    expect(await (await accepted.next()).hears(1)).toEqual(['hi']);
    socket.destroy();
  });
});

describe('back-pressure', () => {
  it('of a page that does not read stops the upstream', async () => {
    const socket = await rawSocket(handshake({ 'Sec-WebSocket-Extensions': null }));
    socket.pause();
    const upstream = await accepted.next();
    const message = Buffer.alloc(256 * 1024);
    for (let sent = 0; sent < 64 * mebibyte; sent += message.length) upstream.socket.send(message);
    await waitFor(async () => {
      const before = upstream.socket.bufferedAmount;
      await delay(200); // that nothing moves in this time is what is asked for
      return before === upstream.socket.bufferedAmount;
    });
    expect(upstream.socket.bufferedAmount).toBeGreaterThan(40 * mebibyte);
    let received = 0;
    socket.on('data', (bytes) => (received += bytes.length)).resume();
    await waitFor(() => received >= 64 * mebibyte);
    socket.destroy();
  });

  it('of an upstream that does not read stops the page', async () => {
    const page = await openWebSocket(bff, alice);
    const upstream = await accepted.next();
    upstream.socket.pause();
    const message = Buffer.alloc(mebibyte);
    for (let sent = 0; sent < 24 * mebibyte; sent += message.length) page.socket.send(message);
    await waitFor(async () => {
      const before = page.socket.bufferedAmount;
      await delay(200); // that nothing moves in this time is what is asked for
      return before === page.socket.bufferedAmount;
    });
    expect(page.socket.bufferedAmount).toBeGreaterThan(5 * mebibyte);
    upstream.socket.resume();
    await page.hears((24 * mebibyte) / message.length);
    page.socket.close();
  });
});
