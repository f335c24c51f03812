import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { route } from '../support/bff/route.ts';
import { Upstream as Servers } from '../../src/proxy/upstream/upstream.ts';
import { forward } from '../../src/proxy/forward/forward.ts';
import type { UpstreamRequest } from '../../src/proxy/upstream/upstream-request.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { closeServer, listen, startUpstream, type Upstream } from '../support/upstream/upstream.ts';

let upstream: Upstream;
let servers: Servers;

beforeAll(async () => {
  upstream = await startUpstream();
  servers = new Servers(route({ upstream: [upstream.url] }));
});

// Whatever happened, nothing counts as under way.
afterEach(() => {
  if (servers.servers.some(({ busy }) => busy !== 0)) throw new Error('a request is still counted');
});

afterAll(async () => {
  await servers.close();
  await upstream.close();
});

function to(changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    upstream: servers,
    path: '/x',
    authorized: { headers: [] },
    options: { timeout: 1_000, maxBody: 1_000, retry: 0 },
    responseHeaders: () => [],
    ...changes,
  };
}

/** What `forward` comes to for one request, which `prepare` may end before it is forwarded. */
async function forwarded(
  rule: UpstreamRequest,
  prepare: (response: ServerResponse) => Promise<unknown> = async () => undefined,
  requestLine = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n',
): Promise<unknown> {
  const outcome = Promise.withResolvers<unknown>();
  const server = createServer(async (request: IncomingMessage, response) => {
    await prepare(response);
    forward(request, response, rule, (failure) => {
      outcome.resolve(failure);
      response.destroy();
    });
  });
  const { port } = await listen(server, 0);
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  browserSocket = socket;
  socket.write(requestLine);
  try {
    return await outcome.promise;
  } finally {
    socket.destroy();
    await closeServer(server);
  }
}

let browserSocket: ReturnType<typeof connect>;

it('sends the upstream nothing for a browser that has gone already', async () => {
  upstream.requests.length = 0;
  const outcome = await forwarded(to(), async (response) => {
    browserSocket.destroy();
    await once(response, 'close');
  });
  expect(outcome).toBeUndefined();
  expect(upstream.requests).toEqual([]);
});

it('says nothing of a browser that goes while the upstream is thinking', async () => {
  upstream.requests.length = 0;
  upstream.handler = () => browserSocket.destroy();
  expect(await forwarded(to())).toBeUndefined();
  expect(await upstream.last.ended).toBeDefined();
});

it('ends the upstream request when its response cannot be passed on', async () => {
  upstream.handler = (_request, response) => void response.writeHead(200).write('for ever');
  const outcome = await forwarded(to({ responseHeaders: () => ['x-broken', 'a\r\nb'] }));
  expect(outcome).toMatchObject({ code: 'upstream_unreachable' });
  expect(await upstream.last.ended).toBeDefined();
  await waitFor(async () => expect(await upstream.connections()).toBe(0));
});

it.each([
  ['by its own word', 'Content-Length: 1001\r\n\r\n'],
  ['in one chunk', `Transfer-Encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n`],
  ['in many', `Transfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(1001)}0\r\n\r\n`],
])('refuses a body that is too large %s', async (_how, framing) => {
  upstream.handler = () => undefined;
  const line = `POST /x HTTP/1.1\r\nHost: x\r\n${framing}`;
  const outcome = await forwarded(to(), async () => undefined, line);
  expect(outcome).toMatchObject({ code: 'body_too_large', status: 413 });
});
