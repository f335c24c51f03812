import { startBff, type BffOverrides, type TestBff } from '../support/bff.ts';
import type { LittleBrowser } from '../support/browser.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorCode, whoIs } from './steps.ts';

/** An open `EventSource`, and the data of the `session` events it has got. */
async function listen(browser: LittleBrowser, bff?: TestBff) {
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

async function logOut(browser: LittleBrowser): Promise<void> {
  expect((await browser.fetch('/bff/logout', { method: 'POST' })).status).toBe(200);
}

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

  it('are for nobody who is signed out, and for no page but ours', async () => {
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
