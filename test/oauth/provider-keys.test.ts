import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type { BffError } from '../../src/errors.ts';
import { createProviderFetch } from '../../src/oauth/provider/fetch.ts';
import { type KeySource, ProviderKeys } from '../../src/oauth/provider/keys.ts';
import {
  respondWith,
  hang,
  hangUp,
  inTurn,
  slowly,
  type Handler,
} from '../support/upstream/responses.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

async function newKey(kid: string): Promise<JWK> {
  return { ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), kid, use: 'sig' };
}

const published = (...set: (JWK | undefined)[]): Handler => respondWith(200, { keys: set });

describe('the keys of a provider', () => {
  const unavailable = expect.objectContaining({ code: 'provider_unavailable' });
  let server: Upstream;
  let now: number;
  let keys: ProviderKeys;
  let heard: BffError[];
  let [first, second]: JWK[] = [];

  beforeAll(async () => {
    server = await startUpstream();
    [first, second] = [await newKey('first'), await newKey('second')];
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.requests.length = 0;
    now = 0;
    heard = [];
    const fetch = createProviderFetch({ issuer: server.url, maxResponse: 100_000 });
    const listener = (error: BffError) => void heard.push(error);
    keys = new ProviderKeys(`${server.url}/jwks`, fetch, 3000, () => now, listener);
  });

  const send = (url = keys.url) =>
    keys.fetch(url, { method: 'GET', headers: {}, body: undefined, redirect: 'manual' });
  const kids = async () => {
    const { keys: set } = (await (await send()).json()) as { keys: JWK[] };
    return set.map(({ kid }) => kid);
  };
  const find = (kid: string, source: KeySource = 'client') =>
    keys.keyFor({ alg: 'ES256', kid }, {} as never, source);

  it('are requested whenever openid-client requests them, and its other requests are passed on', async () => {
    server.handler = inTurn(published(first), published(second), respondWith(200, { other: true }));
    await expect(kids()).resolves.toEqual(['first']);
    await expect(kids()).resolves.toEqual(['second']);
    await expect((await send(`${server.url}/other`)).json()).resolves.toEqual({ other: true });
  });

  it('are requested once for all simultaneous callers', async () => {
    server.handler = published(first);
    await Promise.all([kids(), kids(), find('first'), find('first')]);
    expect(server.requests).toHaveLength(1);
  });

  it.each<readonly [string, Handler]>([
    ['the connection ends', hangUp()],
    ['they are 503', respondWith(503)],
    ['they are 404', respondWith(404, {})],
    ['it is a page', respondWith(200, '<html>')],
    ['they are no keys', respondWith(200, {})],
  ])('are the last good ones for a day when %s, which is said once', async (_, broken) => {
    server.handler = inTurn(published(first), broken);
    await kids();
    for (now = 1; now < day; now += day / 4) await expect(kids()).resolves.toEqual(['first']);
    expect(heard).toHaveLength(1);
    now = day;
    await expect(kids()).rejects.toMatchObject({ name: 'BffError' });
    server.handler = inTurn(published(second), broken);
    await expect(kids()).resolves.toEqual(['second']);
    await expect(kids()).resolves.toEqual(['second']);
    expect(heard).toHaveLength(2);
  });

  it('are none when there never were any, without a second request', async () => {
    server.handler = respondWith(503);
    await expect(kids()).rejects.toEqual(unavailable);
    expect(heard).toEqual([]);
  });

  it('are the last good ones after a second when nothing comes, and those that come late thereafter', async () => {
    server.handler = inTurn(published(first), slowly(1500, published(second)), hang());
    await kids();
    const began = performance.now();
    await expect(kids()).resolves.toEqual(['first']);
    expect(performance.now() - began).toBeLessThan(1400);
    // Joins the request under way, and so hears the answer.
    await expect(kids()).resolves.toEqual(['second']);
  });

  it('may be none at all, if the provider says so', async () => {
    server.handler = inTurn(published(first), published());
    await kids();
    await expect(kids()).resolves.toEqual([]);
  });

  it('are requested again for an unknown one, at once, but once a minute', async () => {
    server.handler = inTurn(published(first), published(first, second));
    await kids();
    await expect(find('second')).resolves.toBeDefined();
    await expect(find('third')).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    now = minute - 1;
    await expect(find('third')).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    expect(server.requests).toHaveLength(2);
    now = minute;
    await expect(find('third')).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    expect(server.requests).toHaveLength(3);
  });

  it('are requested again for the provider itself though forged tokens caused a request a moment ago', async () => {
    server.handler = inTurn(published(first), published(first), published(first, second));
    await kids();
    const unknown = expect.objectContaining({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    await expect(find('invented')).rejects.toEqual(unknown);
    await expect(find('second', 'provider')).resolves.toBeDefined();
    await expect(find('third', 'provider')).rejects.toEqual(unknown);
    expect(server.requests).toHaveLength(3);
    now = 9_999;
    await expect(find('third', 'provider')).rejects.toEqual(unknown);
    expect(server.requests).toHaveLength(3);
    now = 10_000;
    await expect(find('third', 'provider')).rejects.toEqual(unknown);
    expect(server.requests).toHaveLength(4);
  });

  it('are requested once for all that need the new one at the same time, and all get it', async () => {
    server.handler = inTurn(published(first), slowly(50, published(second)), hang());
    await kids();
    const early = Array.from({ length: 20 }, () => find('second', 'provider'));
    await waitFor(() => server.requests.length === 2);
    const late = Array.from({ length: 20 }, () => find('second', 'provider'));
    await expect(Promise.all([...early, ...late])).resolves.toHaveLength(40);
    expect(server.requests).toHaveLength(2);
  });

  it('are not known to lack one while they cannot be fetched', async () => {
    server.handler = inTurn(published(first), respondWith(503));
    await kids();
    await expect(find('second')).rejects.toEqual(unavailable);
    await expect(find('first')).resolves.toBeDefined();
  });

  it('are requested once a second while they cannot be fetched', async () => {
    server.handler = respondWith(503);
    await expect(find('first')).rejects.toEqual(unavailable);
    now = 999;
    await expect(find('first')).rejects.toEqual(unavailable);
    expect(server.requests).toHaveLength(1);
    now = 1000;
    server.handler = published(first);
    await expect(find('first')).resolves.toBeDefined();
  });

  it('that are old serve on during that second', async () => {
    server.handler = inTurn(published(first), respondWith(503));
    await find('first');
    now = 5 * minute;
    await find('first');
    await find('first');
    expect(server.requests).toHaveLength(2);
  });
});
