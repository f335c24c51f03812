import {
  type ClientHandle,
  ClientHandlesService,
} from '../../src/session/clients/client-handles.service.ts';
import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import { type NativeClient, startNativeClient } from '../support/clients/native-client.ts';
import { acceptWebSockets, openWebSocket, refusalOf } from '../support/network/web-sockets.ts';
import { testClock } from '../support/time/clock.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { eventFeed } from '../support/upstream/responses.ts';

const overrides: BffOverrides = {
  routes: (usual) => [{ ...usual, clients: ['browser', 'bearer'] }],
  ownAuthorizationServer: {
    clients: [{ id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] }],
  },
};

const minute = 60_000;

/** Within this time the end of a session is known on every replica, in milliseconds. */
const mostMilliseconds = 100;

let bff: TestBff;
let other: TestBff;
let client: NativeClient;
beforeAll(async () => {
  bff = await startBff(overrides);
  other = await bff.replica();
  client = await startNativeClient(bff);
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await bff.close();
});

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

/** A WebSocket of a client that is no browser: without `Origin`, unless it is given. */
const open = (at: TestBff, token: string, origin: string | null = null) =>
  openWebSocket(at, undefined, { origin, headers: bearer(token) });

/** The same access token with another end. */
function endingAt(token: string, expiresAt: number): string {
  const handles = bff.app.get(ClientHandlesService);
  return handles.issue({ ...(handles.read(token) as ClientHandle), expiresAt });
}

describe('a WebSocket with an access token', () => {
  it('is opened from anywhere, with the token of the session', async () => {
    acceptWebSockets(bff.upstream);
    const { access_token: token } = await client.signIn();
    for (const origin of [null, 'https://elsewhere.example']) {
      const peer = await open(bff, token, origin);
      const { authorization } = bff.upstream.last.headers;
      expect(authorization).toMatch(/^Bearer (?!pxb_)/);
      peer.socket.send('hello');
      expect(await peer.hears(1)).toEqual(['hello']);
      peer.socket.close();
      await peer.ended;
    }
  });

  it('is not opened with a token that is not valid', async () => {
    expect(await refusalOf(open(bff, 'pxb_forged'))).toEqual([401, 'invalid_token']);
    const { access_token: token } = await client.signIn();
    expect(await refusalOf(open(bff, endingAt(token, Date.now())))).toEqual([401, 'invalid_token']);
  });

  it('still needs the Origin of our own pages with a cookie', async () => {
    const browser = await bff.signedIn();
    const foreign = openWebSocket(bff, browser, { origin: 'https://elsewhere.example' });
    expect(await refusalOf(foreign)).toEqual([403, 'csrf']);
  });

  it('is closed with 4401 when its token ends', async () => {
    acceptWebSockets(bff.upstream);
    const { access_token: token } = await client.signIn();
    const end = Date.now() + 300;
    const [peer, longer] = [await open(bff, endingAt(token, end)), await open(bff, token)];
    expect((await peer.ended).code).toBe(4401);
    expect(Date.now()).toBeGreaterThanOrEqual(end);
    expect(Date.now()).toBeLessThan(end + 1000);
    longer.socket.send('still here');
    expect(await longer.hears(1)).toEqual(['still here']);
    longer.socket.close();
  });

  it('is closed within 100 ms when its session ends on another replica', async () => {
    acceptWebSockets(bff.upstream);
    const tokens = await client.signIn();
    const peer = await open(other, tokens.access_token);
    expect(await client.revoke(tokens.refresh_token)).toBe(200);
    const start = performance.now();
    expect((await peer.ended).code).toBe(4401);
    expect(performance.now() - start).toBeLessThan(mostMilliseconds);
  });

  it('does not renew the idle time of its session, but a call does', async () => {
    const clock = testClock();
    await using own = await startBff({ ...overrides, store: 'memory', clock: clock.now });
    acceptWebSockets(own.upstream);
    await using app = await startNativeClient(own);
    const { access_token: token } = await app.signIn();
    const lasting = own.app.get(ClientHandlesService);
    const handle = lasting.read(token) as ClientHandle;
    const long = lasting.issue({ ...handle, expiresAt: clock.now() + 600 * minute });
    const call = async () => (await fetch(`${own.url}/api`, { headers: bearer(long) })).status;
    clock.advance(20 * minute);
    expect(await call()).toBe(200);
    clock.advance(20 * minute);
    const peer = await open(own, long);
    clock.advance(11 * minute);
    expect(await call()).toBe(401);
    peer.socket.terminate();
  });
});

describe('a client on another replica', () => {
  it('is refused within 100 ms of the end of its session', async () => {
    const tokens = await client.signIn();
    const call = async () => {
      const url = `http://127.0.0.1:${other.port}/api/x`;
      return (await fetch(url, { headers: bearer(tokens.access_token) })).status;
    };
    expect(await call()).toBe(200);
    await client.revoke(tokens.refresh_token);
    const start = performance.now();
    await waitFor(async () => (await call()) === 401);
    expect(performance.now() - start).toBeLessThan(mostMilliseconds);
  });

  it('loses its event stream with its session', async () => {
    const feed = eventFeed();
    const before = bff.upstream.handler;
    bff.upstream.handler = feed.handler;
    const tokens = await client.signIn();
    const url = `http://127.0.0.1:${other.port}/api/events`;
    const response = await fetch(url, { headers: bearer(tokens.access_token) });
    const broken = response.text().then(
      () => 'complete',
      () => 'broken',
    );
    await waitFor(() => expect(feed.listeners).toBe(1));
    await client.revoke(tokens.refresh_token);
    expect(await broken).toBe('broken');
    bff.upstream.handler = before;
  });
});
