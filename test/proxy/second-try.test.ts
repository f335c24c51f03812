import { createServer } from 'node:http';
import { forward } from '../../src/proxy/forward/forward.ts';
import type { AuthorizedRequest } from '../../src/proxy/upstream/upstream-request.ts';
import { Upstream as Servers } from '../../src/proxy/upstream/upstream.ts';
import { respondWith, inTurn } from '../support/upstream/responses.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { route } from '../support/bff/route.ts';
import { closeServer, listen, startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

let upstream: Upstream;
let servers: Servers;

beforeAll(async () => {
  upstream = await startUpstream();
  servers = new Servers(route({ upstream: [upstream.url] }));
});

afterAll(async () => {
  await Promise.all(servers.servers.map(({ dispatcher }) => dispatcher.destroy()));
  await upstream.close();
});

beforeEach(() => {
  upstream.requests.length = 0;
});

/** What a client gets of a request that may be asked a second time with other headers. */
async function forwarded(
  onUnauthorized: AuthorizedRequest['onUnauthorized'],
  first = 'GET /x',
  body = '',
): Promise<string> {
  const server = createServer((request, response) => {
    const original = {
      upstream: servers,
      path: '/x',
      authorized: { headers: ['x-try', '1'], onUnauthorized },
      options: { timeout: 1_000, maxBody: 1_000, retry: 0 },
      responseHeaders: () => [],
    };
    forward(request, response, original, (failure) => void (failure && response.destroy()));
  });
  const { port } = await listen(server, 0);
  const framing = body && `Content-Length: ${body.length}\r\n`;
  const head = `${first} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${framing}\r\n`;
  const { text } = await rawRequest(port, head + body);
  await closeServer(server);
  return text;
}

const tries = () => upstream.requests.map(({ headers }) => headers['x-try']);
const another = async () => ({ headers: ['x-try', '2'] });
const refused = respondWith(401, 'no', { 'www-authenticate': 'Bearer' });

describe('a refusal', () => {
  it.each(['GET /x', 'HEAD /x', 'DELETE /x', 'POST /x'])(
    'is followed by %s again',
    async (first) => {
      upstream.handler = inTurn(refused, respondWith(200, 'yes'));
      expect(await forwarded(another, first)).toMatch(/^HTTP\/1\.1 200/);
      expect(tries()).toEqual(['1', '2']);
    },
  );

  it.each(['GET /x', 'HEAD /x'])('stands when there is nothing better: %s', async (first) => {
    upstream.handler = refused;
    const text = await forwarded(async () => undefined, first);
    expect(text).toMatch(/^HTTP\/1\.1 401/);
    expect(text.endsWith('no\r\n0\r\n\r\n') || text.endsWith('\r\n\r\n')).toBe(true);
    expect(tries()).toEqual(['1']);
  });

  it('stands when it comes a second time', async () => {
    upstream.handler = refused;
    expect(await forwarded(another)).toMatch(/^HTTP\/1\.1 401/);
    expect(tries()).toEqual(['1', '2']);
  });

  it('stands when the request had a body, which is gone', async () => {
    upstream.handler = refused;
    expect(await forwarded(another, 'PUT /x', 'body')).toMatch(/^HTTP\/1\.1 401/);
    expect(tries()).toEqual(['1']);
  });

  it.each([
    ['that is long', 'x'.repeat(5_000_000), undefined],
    ['that never ends', 'x', 'open'],
  ])('%s holds no connection', async (_how, body, end) => {
    upstream.handler = inTurn(
      (_request, response) => {
        response.writeHead(401).write(body);
        if (end === undefined) response.end();
      },
      respondWith(200, 'yes'),
    );
    expect(await forwarded(another)).toMatch(/^HTTP\/1\.1 200/);
    expect(tries()).toEqual(['1', '2']);
    await waitFor(async () => expect(await upstream.connections()).toBeLessThanOrEqual(1));
  });

  it.each([
    [
      'nothing better',
      async () => undefined,
      /^HTTP\/1\.1 401[^]*\r\n\r\n(2\r\n)?no(\r\n0\r\n\r\n)?$/,
    ],
    ['another token', another, /^HTTP\/1\.1 200[^]*\r\n\r\n3\r\nyes\r\n0\r\n\r\n$/],
  ])('whose connection ends meanwhile is whole: %s', async (_what, decide, expected) => {
    let reset = () => {};
    const isReset = new Promise<void>((resolve) => (reset = resolve));
    upstream.handler = inTurn(
      (request, response) => {
        const { socket } = request;
        socket.once('close', reset);
        response.writeHead(401, { connection: 'close' }).end('no', () => socket.destroy());
      },
      respondWith(200, 'yes'),
    );
    const text = await forwarded(async () => {
      await isReset;
      return decide();
    });
    expect(text).toMatch(expected);
  });
});
