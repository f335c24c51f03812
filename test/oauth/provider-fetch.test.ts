import { createProviderFetch } from '../../src/oauth/provider/fetch.ts';
import {
  respondWith,
  download,
  hang,
  hangUp,
  redirectTo,
  type Handler,
} from '../support/upstream/responses.ts';
import { freePort } from '../support/network/ports.ts';
import { startRawUpstream, startUpstream, type Upstream } from '../support/upstream/upstream.ts';

const unavailable = expect.objectContaining({ code: 'provider_unavailable', status: 503 });
const json = { headers: { accept: 'application/json' } };

describe('a call to a provider', () => {
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await startUpstream();
  });
  afterAll(() => upstream.close());

  const issuer = () => `${upstream.url}/realm`;
  function call(
    handler: Handler,
    { url = upstream.url, internalUrl = undefined as string | undefined, init = {} } = {},
  ) {
    upstream.handler = handler;
    upstream.requests.length = 0;
    const send = createProviderFetch({ issuer: issuer(), internalUrl, maxResponse: 1000 });
    return send(`${url}/token?x=1`, {
      method: 'GET',
      body: undefined,
      redirect: 'manual',
      ...json,
      ...init,
    } as never);
  }

  it('resolves with status, headers and body', async () => {
    const response = await call(respondWith(200, { a: 1 }, { 'x-own': ['1', '2'] }));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-own')).toBe('1, 2');
    await expect(response.json()).resolves.toEqual({ a: 1 });
  });

  it('carries method, headers and form as they are', async () => {
    const body = new URLSearchParams({ code: 'a b+c' });
    const headers = {
      ...json.headers,
      authorization: 'Basic abc',
      'content-type': 'application/x-www-form-urlencoded',
    };
    await call(respondWith(200, {}), { init: { method: 'POST', body, headers } });
    const { method, url, headers: sent, form } = upstream.last;
    expect([method, url, sent.authorization]).toEqual(['POST', '/token?x=1', 'Basic abc']);
    expect(form.get('code')).toBe('a b+c');
  });

  it.each([
    ['500', respondWith(500, { error: 'server_error' })],
    ['502 with HTML', respondWith(502, '<h1>Bad gateway</h1>')],
    ['503', respondWith(503)],
    ['429', respondWith(429, { error: 'slow_down' }, { 'retry-after': '60' })],
    ['HTML with 200', respondWith(200, '<!doctype html>', { 'content-type': 'text/html' })],
    ['HTML with 400', respondWith(400, '<!doctype html>', { 'content-type': 'text/html' })],
    ['an empty answer', respondWith(200)],
    ['nothing but a status of 404', respondWith(404)],
    [
      'JSON that ends too early',
      respondWith(200, '{"access_token":"abc', { 'content-type': 'application/json' }),
    ],
    ['two JSON texts', respondWith(200, '{}{}', { 'content-type': 'application/json' })],
    [
      'more than is read',
      respondWith(200, `"${'x'.repeat(1000)}"`, { 'content-type': 'application/json' }),
    ],
    ['an endless stream', download(1e12)],
    ['a redirect to itself', redirectTo('/token')],
    ['a permanent redirect', redirectTo('http://127.0.0.1:1/', 308)],
    ['a connection that ends', hangUp()],
  ])('says that the provider is unavailable after %s', async (_, handler) => {
    await expect(call(handler)).rejects.toEqual(unavailable);
    expect(upstream.requests).toHaveLength(1);
  });

  it.each([
    ['a refusal in JSON', respondWith(400, { error: 'invalid_grant' }), 400],
    [
      'a refusal in a header alone',
      respondWith(401, '', { 'www-authenticate': 'Bearer error="invalid_token"' }),
      401,
    ],
    [
      'a JSON text that is no object',
      respondWith(200, '[]', { 'content-type': 'application/json' }),
      200,
    ],
    ['a signed answer', respondWith(200, 'a.b.c', { 'content-type': 'application/jwt' }), 200],
    ['exactly as much as is read', respondWith(200, `"${'x'.repeat(998)}"`), 200],
  ])('hands on %s', async (_, handler, status) => {
    await expect(call(handler)).resolves.toMatchObject({ status });
  });

  it.each([
    ['an empty body', respondWith(200)],
    ['text', respondWith(200, 'OK')],
    ['no content', respondWith(204)],
  ])('that expects no JSON, as revocation does, may get %s', async (_, handler) => {
    const response = await call(handler, { init: { headers: {} } });
    expect(response.ok).toBe(true);
  });

  it.each([
    [429, '7', '7'],
    [503, '300', '300'],
    [503, '301', '5'],
    [503, '0', '5'],
    [503, '1.5', '5'],
    [503, 'Fri, 31 Dec 2999 23:59:59 GMT', '5'],
    [500, '7', '5'],
    [200, '7', '5'],
  ])('passes on when a %i may be retried: %s', async (status, retryAfter, expected) => {
    const refused = call(respondWith(status, '', { 'retry-after': retryAfter }));
    await expect(refused).rejects.toMatchObject({ headers: { 'Retry-After': expected } });
  });

  it('to a port without a listener says that the provider is unavailable', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    await expect(call(respondWith(200), { url })).rejects.toEqual(unavailable);
  });

  it.each([
    ['no answer', hang()],
    [
      'headers and then nothing',
      ((_request, response) =>
        void response.writeHead(200, { 'content-type': 'application/json' }).write('{')) as Handler,
    ],
  ])('ends when its time is over with %s', async (_, handler) => {
    const signal = AbortSignal.timeout(50);
    const began = performance.now();
    await expect(call(handler, { init: { signal } })).rejects.toEqual(unavailable);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it.each([
    ['bytes that are no HTTP', 'SSH-2.0-OpenSSH\r\n'],
    ['a body shorter than promised', 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}'],
    ['headers that never end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`],
  ])('survives %s', async (_, bytes) => {
    const raw = await startRawUpstream(bytes);
    await expect(call(respondWith(200), { url: raw.url })).rejects.toEqual(unavailable);
    await raw.close();
  });

  it('does not decompress a response for which it requested no compression', async () => {
    await expect(
      call(respondWith(200, Buffer.alloc(500), { 'content-encoding': 'gzip' })),
    ).rejects.toEqual(unavailable);
    expect(upstream.last.headers['accept-encoding']).toBeUndefined();
  });

  it('goes to internalUrl under the public name when it is for the issuer', async () => {
    const inside = await startUpstream(respondWith(200, { inside: true }));
    const internalUrl = inside.url;
    const response = await call(respondWith(500), { internalUrl });
    await expect(response.json()).resolves.toEqual({ inside: true });
    expect(upstream.requests).toHaveLength(0);
    expect(inside.last.url).toBe('/token?x=1');
    expect(inside.last.headers.host).toBe(new URL(issuer()).host);
    await inside.close();
  });

  it('goes to another origin than the issuer without a detour', async () => {
    const [inside, elsewhere] = [
      await startUpstream(respondWith(500)),
      await startUpstream(respondWith(200, {})),
    ];
    await call(respondWith(500), { url: elsewhere.url, internalUrl: inside.url });
    expect(inside.requests).toHaveLength(0);
    expect(elsewhere.last.headers.host).toBe(new URL(elsewhere.url).host);
    await Promise.all([inside.close(), elsewhere.close()]);
  });
});
