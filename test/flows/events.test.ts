import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { startRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { errorCode, logOut, whoIs } from './steps.ts';

/** An open `EventSource`, and the data of the `session` events it has got. */
async function listen(browser: TestBrowser, bff?: TestBff) {
  if (bff) browser.via(bff.port);
  const response = await browser.fetch('/bff/events', { csrf: false });
  expect(response.status).toBe(200);
  const heard: unknown[] = [];
  const state = { hasEnded: false, text: '' };
  const reading = (async () => {
    for await (const chunk of response.body ?? []) {
      state.text += Buffer.from(chunk as Uint8Array).toString();
      const events = state.text.split('\n\n').slice(0, -1);
      const data = events.flatMap((event) => /^event: session\ndata: (.*)$/.exec(event)?.[1] ?? []);
      heard.splice(0, heard.length, ...data.map((json) => JSON.parse(json) as unknown));
    }
  })();
  reading.then(
    () => (state.hasEnded = true),
    () => (state.hasEnded = true),
  );
  await waitFor(() => heard.length > 0);
  return { response, heard, state };
}

/** Opens a stream that stays open until it is aborted. */
async function openStream(browser: TestBrowser) {
  const abort = new AbortController();
  const response = await browser.fetch('/bff/events', { csrf: false, signal: abort.signal });
  return { status: response.status, response, close: () => abort.abort() };
}

const most = 20;

async function openMany(browser: TestBrowser, count = most) {
  return Promise.all(Array.from({ length: count }, () => openStream(browser)));
}

const statusesOf = (streams: readonly { status: number }[]) => [
  ...new Set(streams.map(({ status }) => status)),
];

describe('the events of a session', () => {
  it('begin with its state, and end with it, on another replica too', async () => {
    await using bff = await startBff();
    const other = await bff.replica();
    const browser = await bff.signedIn();
    const here = await listen(browser);
    const there = await listen(browser, other);
    expect([here.heard, there.heard]).toEqual([[{ state: 'active' }], [{ state: 'active' }]]);
    expect(here.response.headers.get('content-type')).toBe('text/event-stream');
    expect(here.response.headers.get('cache-control')).toBe('no-store');
    await logOut(browser.via(bff.port));
    await waitFor(() => here.state.hasEnded && there.state.hasEnded);
    const all = [{ state: 'active' }, { state: 'ended', reason: 'signed_out' }];
    expect([here.heard, there.heard]).toEqual([all, all]);
  });

  it.each<BffOverrides['store']>(['redis', 'memory'])(
    'warn of its end, and say that its time was over, kept in %s',
    async (store) => {
      await using bff = await startBff({ store, session: { idle: '2s' } });
      const browser = await bff.signedIn();
      const { heard, state } = await listen(browser);
      await waitFor(() => state.hasEnded);
      expect(heard).toEqual([
        { state: 'active' },
        { state: 'expiring' },
        { state: 'ended', reason: 'expired' },
      ]);
      await expect(whoIs(browser)).resolves.toBeUndefined();
    },
  );

  it('say that it goes on, when its user comes back in time', async () => {
    await using bff = await startBff({ session: { idle: '4s' } });
    const browser = await bff.signedIn();
    const { heard } = await listen(browser);
    await waitFor(() => heard.length === 2);
    await waitFor(async () => {
      await expect(whoIs(browser)).resolves.toBe('alice');
      return heard.length === 3;
    });
    expect(heard).toEqual([{ state: 'active' }, { state: 'expiring' }, { state: 'active' }]);
  });

  it('end without a word about it when the server stops', async () => {
    await using bff = await startBff();
    const { heard, state } = await listen(await bff.signedIn());
    await bff.stop();
    await waitFor(() => state.hasEnded);
    expect(heard).toEqual([{ state: 'active' }]);
  });

  it('are not sent to signed-out users or to pages of other origins', async () => {
    await using bff = await startBff({ store: 'memory' });
    const outcome = async (headers: Record<string, string | null>, browser = bff.browser()) => {
      const response = await browser.fetch('/bff/events', { csrf: false, headers });
      return [response.status, errorCode({ body: await response.text() })];
    };
    expect(await outcome({})).toEqual([401, 'not_signed_in']);
    const browser = await bff.signedIn();
    const foreign: Record<string, string | null>[] = [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', origin: null },
    ];
    for (const headers of foreign) expect(await outcome(headers, browser)).toEqual([403, 'csrf']);
    const response = await browser.fetch('/bff/events', { method: 'POST' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
  });
});

describe('a session that opens event streams without end', () => {
  it('gets 429 with Retry-After after twenty, others do not, and a stream that closes makes room', async () => {
    await using bff = await startBff();
    const other = await bff.replica();
    const browser = await bff.signedIn();
    const streams = await openMany(browser);
    expect(statusesOf(streams)).toEqual([200]);
    const { response } = await openStream(browser);
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '10']);
    expect(errorCode({ body: await response.text() })).toBe('rate_limited');
    expect((await openStream(await bff.signedIn())).status).toBe(200);
    expect((await openStream(browser.via(other.port))).status).toBe(200);
    browser.via(bff.port);
    streams[0]?.close();
    await waitFor(async () => (await openStream(browser)).status === 200);
    expect((await openStream(browser)).status).toBe(429);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('keeps no place for requests that were aborted before their stream began', async () => {
    const redis = await startRedis();
    await using bff = await startBff({ redis: { url: redis.url } });
    const browser = await bff.signedIn();
    // A new replica has not cached the session, so it reads Redis.
    const fresh = await bff.replica();
    browser.via(fresh.port);
    redis.pause();
    const abort = new AbortController();
    const requests = Array.from({ length: most }, () =>
      browser.fetch('/bff/events', { csrf: false, signal: abort.signal }),
    );
    const arrived = async () =>
      new Promise<number>((resolve, reject) =>
        fresh.app
          .getHttpServer()
          .getConnections((error: Error | null, count: number) =>
            error ? reject(error) : resolve(count),
          ),
      );
    await waitFor(async () => (await arrived()) === most);
    abort.abort();
    await Promise.allSettled(requests);
    await waitFor(async () => (await arrived()) === 0);
    redis.resume();
    await expect(whoIs(browser)).resolves.toBe('alice');
    expect(statusesOf(await openMany(browser))).toEqual([200]);
    await bff.close();
    await redis.stop();
  });
});
