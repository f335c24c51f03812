import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { respondWith, hang, hangUp, slowly } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { freePort } from '../support/network/ports.ts';
import { echo, listen, startRawUpstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

let bff: TestBff;
let alice: TestBrowser;
/** An address at which nobody listens. */
let unusedOrigin: string;
/** What the upstream behind `/raw` answers, byte by byte. */
let bytes: string;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  unusedOrigin = `http://127.0.0.1:${await freePort()}`;
  const raw = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(bytes, 'latin1'));
  });
  const { port } = await listen(raw, 0);
  closing.push(() => raw.close());
  bff = await startBff({
    store: 'memory',
    routes: (usual, { upstream: { url } }) => [
      usual,
      { path: '/refused', upstream: unusedOrigin, token: 'none' },
      { path: '/unknown-host', upstream: 'http://no-such-host.invalid', token: 'none' },
      { path: '/raw', upstream: `http://127.0.0.1:${port}`, token: 'none' },
      { path: '/impatient', upstream: url, token: 'none', timeout: '300ms' },
      { path: '/chatty', upstream: url, token: 'none', idleTimeout: '300ms' },
    ],
  });
  alice = await bff.signedIn();
});

afterAll(async () => {
  await bff.close();
  await Promise.all(closing.map((close) => close()));
});

beforeEach(() => {
  bff.upstream.requests.length = 0;
  bff.upstream.handler = echo();
});

// Whatever happened: the process is alive, and nothing of it is left on a connection.
afterEach(async () => {
  bff.upstream.handler = echo();
  const response = await alice.fetch('/api/alive');
  if (response.status !== 200)
    throw new Error(`The next call is responded with ${response.status}.`);
});

async function codeOf(path: string, method = 'GET') {
  const response = await alice.fetch(path, { method, ...(method === 'POST' && { body: 'hello' }) });
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = (await response.json()) as { code: string };
  return [response.status, problem.code];
}

const unreachable = [502, 'upstream_unreachable'];

describe('an upstream that cannot be reached', () => {
  it.each(['GET', 'POST'])('because it refuses the connection is 502 (%s)', async (method) => {
    expect(await codeOf('/refused/x', method)).toEqual(unreachable);
  });

  it('because its name is unknown is 502', async () => {
    expect(await codeOf('/unknown-host/x')).toEqual(unreachable);
  });

  it('is named in the log only', async () => {
    const response = await alice.fetch('/refused/x');
    const port = new URL(unusedOrigin).port;
    expect(await response.text()).not.toContain(port);
    const id = response.headers.get('x-request-id');
    const line = bff.logs.lines.find(
      ({ code, req }) => code === 'upstream_unreachable' && (req as { id: string }).id === id,
    );
    expect(JSON.stringify(line)).toContain(port);
    expect(line).toMatchObject({ level: 'error' });
  });
});

describe('an upstream that hangs up', () => {
  it.each([
    ['GET', 2],
    // A request that may have had its effect is not sent again.
    ['POST', 1],
  ])('before it responds is 502 (%s)', async (method, tries) => {
    bff.upstream.handler = hangUp();
    expect(await codeOf('/api/x', method)).toEqual(unreachable);
    expect(bff.upstream.requests).toHaveLength(tries);
  });

  it.each([
    ['with its length known', { 'content-length': '100' }],
    ['chunked', {}],
  ])(
    'in the middle of a response leaves the browser with a broken one (%s)',
    async (_how, headers) => {
      bff.upstream.handler = (_request, response) => {
        response.writeHead(200, headers);
        response.write('half of it', () => response.destroy());
      };
      const response = await alice.fetch('/api/x');
      expect(response.status).toBe(200);
      await expect(response.text()).rejects.toThrow(/aborted|terminated/);
      await waitFor(() => expect(bff.logs.text).toContain('other side closed'));
    },
  );

  it('between two requests is not noticed by clients', async () => {
    bff.upstream.handler = (_request, response) => {
      response.end('ok', () => response.socket?.destroy());
    };
    for (let call = 0; call < 5; call += 1) {
      const response = await alice.fetch('/api/x');
      expect([response.status, await response.text()]).toEqual([200, 'ok']);
    }
  });
});

describe('an upstream that does not respond', () => {
  it('in time is 504, and its work is ended', async () => {
    bff.upstream.handler = hang();
    const began = performance.now();
    expect(await codeOf('/impatient/x')).toEqual([504, 'upstream_timeout']);
    expect(performance.now() - began).toBeGreaterThanOrEqual(290);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(await codeOf('/impatient/x', 'POST')).toEqual([504, 'upstream_timeout']);
    for (const { ended } of bff.upstream.requests) await ended;
    await waitFor(async () => expect(await bff.upstream.connections()).toBeLessThanOrEqual(1));
  });

  it('soon, but soon enough, is 200', async () => {
    bff.upstream.handler = slowly(100, respondWith(200, 'ok'));
    expect((await alice.fetch('/impatient/x')).status).toBe(200);
  });

  it('may take its time once it has begun, for a stream may be silent', async () => {
    const end = slowly(2_500, (_request, response) => response.end('ended'));
    bff.upstream.handler = (request, response, recorded) => {
      response.writeHead(200).write('begun;');
      return end(request, response, recorded);
    };
    const response = await alice.fetch('/impatient/x');
    expect(await response.text()).toBe('begun;ended');
  });

  it('is cut off where the operator limits silence', async () => {
    bff.upstream.handler = (_request, response) => void response.writeHead(200).write('begun');
    const response = await alice.fetch('/chatty/x');
    await expect(response.text()).rejects.toThrow(/aborted|terminated/);
    expect(bff.logs.text).toContain('upstream_timeout');
  });

  it('does not even take the connection is 504 within the time of the route', async () => {
    const silent = await startSilentListener();
    try {
      await using own = await startBff({
        store: 'memory',
        route: { upstream: silent.url, token: 'none', timeout: '500ms' },
      });
      const began = performance.now();
      const response = await own.browser().fetch('/api/x');
      expect(response.status).toBe(504);
      expect(performance.now() - began).toBeLessThan(4_000);
    } finally {
      await silent.close();
    }
  });
});

describe('an upstream whose bytes are no HTTP', () => {
  const good = 'HTTP/1.1 200 OK\r\n';
  it.each([
    ['garbage', 'garbage\r\n\r\n'],
    ['nothing at all', ''],
    ['half a head', `${good}X-A: 1\r\n`],
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['TLS', '\x15\x03\x01\x00\x02\x02\x46'],
    ['a version nobody has', 'HTTP/9.9 200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status that is none', 'HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n'],
    [
      'length and chunks',
      `${good}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['two lengths', `${good}Content-Length: 2\r\nContent-Length: 5\r\n\r\nhello`],
    ['a negative length', `${good}Content-Length: -5\r\n\r\nhello`],
    ['a length with a sign', `${good}Content-Length: +5\r\n\r\nhello`],
    ['a NUL in a header', `${good}X-A: a\0b\r\nContent-Length: 0\r\n\r\n`],
    ['a bare CR in a header', `${good}X-A: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n`],
    ['a header without a colon', `${good}X-A\r\nContent-Length: 0\r\n\r\n`],
    ['a header name with a blank', `${good}X A: 1\r\nContent-Length: 0\r\n\r\n`],
    ['headers without end', good + `X-A: ${'a'.repeat(100_000)}\r\n\r\n`],
    ['a switch to a protocol nobody asked for', 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n'],
  ])('%s is 502', async (_what, given) => {
    bytes = given;
    expect(await codeOf('/raw/x')).toEqual(unreachable);
  });

  it.each([
    ['a chunk size that is none', `${good}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`],
    ['chunks that do not end', `${good}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`],
    ['less than announced', `${good}Content-Length: 50\r\n\r\nhello`],
  ])('%s is a broken response', async (_what, given) => {
    bytes = given;
    const response = await alice.fetch('/raw/x').catch(() => undefined);
    if (response?.status === 502) return;
    await expect(response?.text() ?? Promise.reject(new Error('aborted'))).rejects.toThrow(
      /aborted|terminated/,
    );
  });

  it('more than announced is cut off, and never becomes another user’s response', async () => {
    const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
    const upstream = await startRawUpstream(`${good}Content-Length: 2\r\n\r\nok${evil}`, {
      keepOpen: true,
    });
    try {
      await using own = await startBff({
        store: 'memory',
        route: { upstream: upstream.url, token: 'none' },
      });
      for (let call = 0; call < 5; call += 1) {
        const response = await own.browser().fetch('/api/x');
        const text = await response.text().catch(() => 'broken');
        expect(text).not.toContain('evil');
      }
    } finally {
      await upstream.close();
    }
  });

  it('a body without length or chunks lasts until the connection ends', async () => {
    bytes = 'HTTP/1.0 200 OK\r\n\r\nall of it';
    expect(await (await alice.fetch('/raw/x')).text()).toBe('all of it');
  });

  it('a thousand 1xx responses are tolerated', async () => {
    bytes = `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1_000)}${good}Content-Length: 2\r\n\r\nok`;
    expect(await (await alice.fetch('/raw/x')).text()).toBe('ok');
  });

  it('hop-by-hop headers and those named by Connection stay behind', async () => {
    bytes = `${good}Connection: x-hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=99\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok`;
    const { headers } = await alice.fetch('/raw/x');
    expect([...headers.keys()]).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(x-hop|proxy-authenticate)$/)]),
    );
    expect(headers.get('keep-alive')).not.toContain('99');
  });
});

describe('many browsers that go away', () => {
  it('at every moment of a call leave nothing behind', async () => {
    const warnings: unknown[] = [];
    const note = (warning: unknown) => void warnings.push(warning);
    process.on('warning', note);
    bff.upstream.handler = (_request, response) => {
      response.writeHead(200).write('begun');
    };
    const head = `Host: x\r\nX-CSRF: 1\r\nCookie: ${alice.cookieHeader('/')}\r\n`;
    const calls = [
      `GET /api/x HTTP/1.1\r\n${head}\r\n`,
      `POST /api/x HTTP/1.1\r\n${head}Content-Length: 100\r\n\r\nhalf`,
      `POST /api/x HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
      `GET /refused/x HTTP/1.1\r\n${head}\r\n`,
      `GET /bff/user HTTP/1.1\r\n${head}\r\n`,
    ];
    const lines = bff.logs.lines.length;
    for (let round = 0; round < 20; round += 1) {
      const sockets = await Promise.all(
        calls.map(async (call) => {
          const socket = connect(bff.port, '127.0.0.1').on('error', () => undefined);
          await once(socket, 'connect');
          await new Promise((sent) => socket.write(call, sent));
          return socket;
        }),
      );
      if (round % 2 === 0) await waitFor(() => bff.upstream.requests.length >= round);
      for (const socket of sockets) socket.resetAndDestroy();
    }
    await waitFor(async () => expect(await bff.upstream.connections()).toBeLessThanOrEqual(1));
    const failures = bff.logs.lines.slice(lines).filter(({ level, code, req }) => {
      const { path } = (req ?? {}) as { path?: string };
      return level === 'error' && code !== undefined && path !== '/refused/x';
    });
    expect(failures).toEqual([]);
    expect(warnings).toEqual([]);
    process.off('warning', note);
  });
});

/** A listener whose queue of connections is full: what connects next waits for ever. */
async function startSilentListener() {
  const code = `
    const { createServer } = require('node:net');
    const { parentPort, workerData } = require('node:worker_threads');
    const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      Atomics.wait(new Int32Array(workerData), 0, 0, 20000);
      process.exit();
    });`;
  const stop = new SharedArrayBuffer(4);
  const worker = new Worker(code, { eval: true, workerData: stop });
  const [port] = (await once(worker, 'message')) as [number];
  const sockets = Array.from({ length: 8 }, () =>
    connect(port, '127.0.0.1').on('error', () => undefined),
  );
  await Promise.race(sockets.map((socket) => once(socket, 'connect')));
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      Atomics.store(new Int32Array(stop), 0, 1);
      Atomics.notify(new Int32Array(stop), 0);
      await once(worker, 'exit');
    },
  };
}
