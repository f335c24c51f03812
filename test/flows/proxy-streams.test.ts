import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { respondWith, download, echoBody, eventFeed } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { echo } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

const mebibyte = 1024 * 1024;

let bff: TestBff;
let alice: TestBrowser;

beforeAll(async () => {
  bff = await startBff({
    store: 'memory',
    routes: (usual, { upstream: { url } }) => [
      usual,
      { path: '/small', upstream: url, token: 'none', maxBody: '1kb' },
      { path: '/medium', upstream: url, token: 'none', maxBody: '1mb' },
      { path: '/public', upstream: url, token: 'none' },
    ],
  });
  alice = await bff.signedIn();
});

afterAll(() => bff.close());

beforeEach(() => {
  bff.upstream.requests.length = 0;
  bff.upstream.handler = echo();
});

/** What every call of a signed-in page carries, for clients of our own. */
function pageHeaders(browser = alice): Record<string, string> {
  return { cookie: browser.cookieHeader('/'), 'x-csrf': '1' };
}

/** The same, as lines of a raw request. */
function head(browser = alice, headers: Record<string, string> = {}): string {
  const all = Object.entries({ host: 'x', ...pageHeaders(browser), ...headers });
  return all.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}

/** A request whose body the test writes and whose answer it may leave unread. */
function open(method: string, path: string, headers: Record<string, string> = {}) {
  const request = httpRequest({
    port: bff.port,
    host: '127.0.0.1',
    method,
    path,
    headers: { ...pageHeaders(), ...headers },
  });
  request.on('error', () => undefined);
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('close', () => reject(new Error('the connection ended without an answer')));
  });
  response.catch(() => undefined);
  return { request, response };
}

function zeros(size: number): Readable {
  const chunk = Buffer.alloc(64 * 1024);
  return Readable.from(
    (function* chunks() {
      for (let left = size; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
    })(),
    { objectMode: false },
  );
}

describe('a body', () => {
  it.each([
    ['with its length known', (bytes: Buffer) => bytes],
    ['chunked', (bytes: Buffer) => Readable.from([bytes.subarray(0, 9), bytes.subarray(9)])],
  ])('goes there and back again byte by byte, %s', async (_how, body) => {
    const bytes = randomBytes(300_000);
    bff.upstream.handler = echoBody();
    const response = await alice.fetch('/api/x', { method: 'POST', body: body(bytes) });
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  });

  it('keeps its length if it had one, and is chunked if it had none', async () => {
    await alice.fetch('/api/x', { method: 'PUT', body: Buffer.from('hello') });
    expect(bff.upstream.last.headers).toMatchObject({ 'content-length': '5' });
    expect(bff.upstream.last.headers).not.toHaveProperty('transfer-encoding');
    const { request, response } = open('PUT', '/api/x');
    request.write('hello');
    await waitFor(() => expect(bff.upstream.requests).toHaveLength(2));
    expect(bff.upstream.last.headers).toMatchObject({ 'transfer-encoding': 'chunked' });
    expect(bff.upstream.last.headers).not.toHaveProperty('content-length');
    request.end(' world');
    (await response).resume();
    expect(bff.upstream.last.body.toString()).toBe('hello world');
  });

  it.each(['GET', 'DELETE', 'OPTIONS', 'PATCH'])('may come with a %s', async (method) => {
    for (const framing of ['Content-Length: 5\r\n\r\nhello', chunked('hello')]) {
      const bytes = `${method} /api/x HTTP/1.1\r\nConnection: close\r\n${head()}${framing}`;
      const { statuses } = await rawRequest(bff.port, bytes);
      expect(statuses).toEqual([200]);
      expect(bff.upstream.last).toMatchObject({ method, body: Buffer.from('hello') });
    }
    expect(bff.upstream.requests).toHaveLength(2);
  });

  it('is not made up where there is none', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      await alice.fetch('/api/x', { method });
      expect(bff.upstream.last.headers).not.toHaveProperty('transfer-encoding');
      expect(bff.upstream.last.body).toHaveLength(0);
    }
  });

  it('keeps its coding, its language and its type', async () => {
    const headers = {
      'content-encoding': 'br',
      'content-type': 'x/y; z=1',
      'content-language': 'de',
    };
    bff.upstream.handler = respondWith(200, Buffer.from([1, 2, 3]), headers);
    const response = await alice.fetch('/api/x');
    expect(Object.fromEntries(response.headers)).toMatchObject(headers);
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([1, 2, 3]);
  });

  it('may be in the response to HEAD, and be absent from 204 and 304', async () => {
    bff.upstream.handler = (_request, response) =>
      response.writeHead(200, { 'content-length': '1234', etag: '"x"' }).end();
    const promised = await alice.fetch('/api/x', { method: 'HEAD' });
    expect(promised.headers.get('content-length')).toBe('1234');
    expect(await promised.text()).toBe('');
    for (const status of [204, 304]) {
      bff.upstream.handler = (_request, response) => response.writeHead(status).end();
      const response = await alice.fetch('/api/x');
      expect(response.status).toBe(status);
      expect(response.headers.get('transfer-encoding')).toBeNull();
    }
  });

  it('may be empty', async () => {
    bff.upstream.handler = (_request, response) => response.writeHead(200).end();
    const response = await alice.fetch('/api/x');
    expect([response.status, await response.text()]).toEqual([200, '']);
  });
});

describe('headers of a response', () => {
  it('may hold bytes beyond ASCII, which arrive as they were sent', async () => {
    bff.upstream.handler = (request) => {
      request.socket.end(
        Buffer.from('HTTP/1.1 200 OK\r\nX-Name: 日本 é\r\nContent-Length: 2\r\n\r\nok', 'utf8'),
      );
    };
    const response = await alice.fetch('/api/x');
    const name = Buffer.from(response.headers.get('x-name') ?? '', 'latin1').toString('utf8');
    expect([response.status, name]).toEqual([200, '日本 é']);
  });

  it('may be preceded by 1xx responses and followed by trailers', async () => {
    bff.upstream.handler = (_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.writeProcessing();
      response.writeHead(200, { trailer: 'X-Sum' });
      response.write('hello');
      response.addTrailers({ 'X-Sum': '1' });
      response.end();
    };
    const response = await alice.fetch('/api/x');
    expect([response.status, await response.text()]).toEqual([200, 'hello']);
    expect(response.headers.get('trailer')).toBeNull();
  });

  it('arrive before the body does', async () => {
    const source = Promise.withResolvers<ServerResponse>();
    bff.upstream.handler = (_request, response) => {
      response.writeHead(200, { 'x-early': 'yes' }).flushHeaders();
      source.resolve(response);
    };
    const response = await alice.fetch('/api/x');
    expect(response.headers.get('x-early')).toBe('yes');
    (await source.promise).end('late');
    expect(await response.text()).toBe('late');
  });
});

describe('an event stream', () => {
  it('arrives event by event', async () => {
    const feed = eventFeed();
    bff.upstream.handler = feed.handler;
    const response = await alice.fetch('/api/events', { headers: { accept: 'text/event-stream' } });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    for (const data of ['one', 'two', 'three']) {
      feed.send(data);
      const { value } = await reader.read();
      expect(Buffer.from(value ?? []).toString()).toBe(`data: ${data}\n\n`);
    }
    feed.end();
    expect((await reader.read()).done).toBe(true);
  });

  it('ends at the upstream when the browser closes it', async () => {
    const feed = eventFeed();
    bff.upstream.handler = feed.handler;
    const leaving = new AbortController();
    await alice.fetch('/api/events', { signal: leaving.signal });
    await waitFor(() => expect(feed.listeners).toBe(1));
    leaving.abort();
    await waitFor(() => expect(feed.listeners).toBe(0));
  });
});

describe('back-pressure', () => {
  it('of a browser that does not read stops a download at its source', async () => {
    let sent = 0;
    bff.upstream.handler = (_request, response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(64 * 1024);
      const more = () => {
        do sent += chunk.length;
        while (response.write(chunk) && sent < 200 * mebibyte);
      };
      response.on('drain', more);
      more();
    };
    const { request, response } = open('GET', '/api/big');
    request.end();
    const incoming = await response;
    incoming.pause();
    const stopped = await untilStill(() => sent);
    expect(stopped).toBeLessThan(20 * mebibyte);
    request.destroy();
  });

  it('of an upstream that does not read stops an upload at its source', async () => {
    const reader = Promise.withResolvers<IncomingMessage>();
    bff.upstream.handler = (incoming) => reader.resolve(incoming);
    const { request } = open('POST', '/api/big', { 'content-length': String(90 * mebibyte) });
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024);
    const more = () => {
      do sent += chunk.length;
      while (request.write(chunk) && sent < 90 * mebibyte);
    };
    request.on('drain', more);
    more();
    await waitFor(() => expect(bff.upstream.requests).toHaveLength(1));
    expect(await untilStill(() => sent)).toBeLessThan(20 * mebibyte);
    request.destroy();
    (await reader.promise).resume();
    await expect(bff.upstream.last.ended).resolves.toBe('aborted');
  });

  it('keeps 20 MB up and 200 MB down out of memory', async () => {
    let received = 0;
    bff.upstream.handler = async (request, response, recorded) => {
      received = await lengthOf(request);
      await download(200 * mebibyte)(request, response, recorded);
    };
    const start = heldBytes();
    const { request, response } = open('POST', '/api/big');
    zeros(20 * mebibyte).pipe(request);
    const incoming = await response;
    let peak = 0;
    const read = await lengthOf(incoming, (soFar) => {
      // A collection takes long where many tests have been before.
      if (soFar % (50 * mebibyte) < 64 * 1024) peak = Math.max(peak, heldBytes());
    });
    expect([received, read]).toEqual([20 * mebibyte, 200 * mebibyte]);
    // The test's own recorder keeps the upload, and what is free is not always given back at once.
    expect(peak - start).toBeLessThan(100 * mebibyte);
  });
});

describe('an upload that is larger than the route allows', () => {
  it('is 413 before the upstream gets a request, if its length is known', async () => {
    expect((await upload('/medium/x')).statuses).toEqual([413, 200]);
    expect(bff.upstream.requests.map(({ url }) => url)).toEqual(['/api/next']);
  });

  it('is not read for ever after its response', async () => {
    const socket = connect(bff.port, '127.0.0.1');
    const closed = new Promise((resolve) => void socket.once('close', resolve));
    const cookie = alice.cookieHeader();
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const send = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket
      .on('error', () => undefined)
      .on('drain', send)
      .resume();
    socket.write(
      `POST /small/x HTTP/1.1\r\nHost: localhost\r\nX-CSRF: 1\r\nCookie: ${cookie}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    send();
    await expect(closed).resolves.toBeDefined();
  });

  it.each(['content-length', 'chunked'])('is 413, by %s', async (how) => {
    const body = Buffer.alloc(1025);
    const response = await alice.fetch('/small/x', {
      method: 'POST',
      body: how === 'chunked' ? Readable.from([body]) : body,
    });
    expect(response.status).toBe(413);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ code: 'body_too_large' });
    const complete = bff.upstream.requests.map(({ ended }) => ended);
    expect(await Promise.all(complete)).not.toContain('complete');
  });

  it('may have exactly the allowed size', async () => {
    for (const body of [Buffer.alloc(1024), Readable.from([Buffer.alloc(1024)])]) {
      const response = await alice.fetch('/small/x', { method: 'POST', body });
      expect(response.status).toBe(200);
      expect(bff.upstream.last.body).toHaveLength(1024);
    }
  });

  it.each(['content-length', 'chunked'])(
    'gets the response however much is still to be sent, and the connection stays open (%s)',
    async (how) => {
      const { statuses } = await upload('/small/x', { how });
      expect(statuses).toEqual([413, 200]);
    },
  );
});

describe('a response that comes before the upload has ended', () => {
  it.each([
    ['401, signed out', '/api/x', { cookie: '' }, 401],
    ['403, forged', '/api/x', { 'x-csrf': '' }, 403],
    ['400, odd path', '/api/%2e%2e/x', {}, 400],
    ['404, nothing there', '/nowhere', {}, 404],
    ['405, endpoint', '/bff/user', {}, 405],
  ])(
    'is read by the browser, and the connection goes on: %s',
    async (_what, path, headers, status) => {
      for (const how of ['content-length', 'chunked']) {
        const { statuses } = await upload(path, { how, headers });
        expect(statuses).toEqual([status, 200]);
      }
      expect(bff.upstream.requests.map(({ url }) => url)).toEqual(['/api/next', '/api/next']);
    },
  );

  it('is passed on when the upstream does not want the body', async () => {
    bff.upstream.handler = (request, response) =>
      void response.writeHead(request.method === 'POST' ? 403 : 200).end('done');
    for (const how of ['content-length', 'chunked']) {
      const { statuses } = await upload('/api/x', { how });
      expect(statuses).toEqual([403, 200]);
    }
  });

  it('is 502 when the upstream hangs up instead', async () => {
    bff.upstream.handler = (request, response) =>
      request.method === 'POST' ? request.socket.destroy() : response.end();
    expect((await upload('/api/x')).statuses).toEqual([502, 200]);
  });
});

describe('an upload that breaks off', () => {
  it.each(['content-length', 'chunked'])(
    'is broken off at the upstream too, never taken for complete (%s)',
    async (how) => {
      const { request } = open(
        'POST',
        '/api/x',
        how === 'chunked' ? {} : { 'content-length': '100000' },
      );
      request.write(Buffer.alloc(5_000));
      await waitFor(() => expect(bff.upstream.requests).toHaveLength(1));
      await waitFor(() => expect(bff.upstream.last.body.length).toBe(5_000));
      const lines = bff.logs.lines.length;
      request.destroy();
      await expect(bff.upstream.last.ended).resolves.toBe('aborted');
      await waitFor(() => expect(bff.logs.lines.length).toBeGreaterThan(lines));
      const levels = bff.logs.lines.slice(lines).map(({ level }) => level);
      expect(levels).toEqual(['info']);
    },
  );
});

describe('Expect: 100-continue', () => {
  it('lets the upload begin and reach the upstream without that header', async () => {
    const { request, response } = open('POST', '/api/x', {
      expect: '100-continue',
      'content-length': '5',
    });
    request.flushHeaders();
    await once(request, 'continue');
    request.end('hello');
    expect((await response).statusCode).toBe(200);
    (await response).resume();
    expect(bff.upstream.last.body.toString()).toBe('hello');
    expect(bff.upstream.last.headers).not.toHaveProperty('expect');
  });

  it('with another expectation is 417', async () => {
    const { response, request } = open('POST', '/api/x', { expect: 'miracles' });
    request.end('hello');
    expect((await response).statusCode).toBe(417);
    expect(bff.upstream.requests).toEqual([]);
  });
});

describe('a connection that is kept alive', () => {
  it('never mixes two users, in any order of their requests', async () => {
    const bob = await bff.signedIn('bob');
    bff.upstream.handler = async (request, response, recorded) => {
      const token = (request.headers.authorization ?? '').slice('Bearer '.length);
      const subject = token && (await bff.authorizationServer.subjectOf(token));
      return respondWith(200, { subject, path: recorded.url })(request, response, recorded);
    };
    const outcomeOf = async (name: string, headers: Record<string, string>, path: string) => {
      const response = await bff.browser().fetch(path, { headers });
      return [name, ((await response.json()) as { subject: string }).subject];
    };
    const calls = Array.from({ length: 60 }, (_, index) => {
      const who = ['alice', 'bob', ''][index % 3] ?? '';
      const headers = who === '' ? {} : pageHeaders(who === 'bob' ? bob : alice);
      return outcomeOf(who, headers, `${who === '' ? '/public' : '/api'}/${index}`);
    });
    for (const [who, subject] of await Promise.all(calls)) expect(subject).toBe(who);
  });

  it('responds to pipelined requests of two users each with its own', async () => {
    const bob = await bff.signedIn('bob');
    bff.upstream.handler = async (request, response, recorded) => {
      const token = (request.headers.authorization ?? '').slice('Bearer '.length);
      const subject = await bff.authorizationServer.subjectOf(token);
      return respondWith(200, `I am ${subject}.`)(request, response, recorded);
    };
    const calls = [alice, bob, alice].map((browser) => `GET /api/x HTTP/1.1\r\n${head(browser)}`);
    const requests = `${calls.join('\r\n')}Connection: close\r\n\r\n`;
    const { text } = await rawRequest(bff.port, requests);
    expect([...text.matchAll(/I am (\w+)/g)].map(([, who]) => who)).toEqual([
      'alice',
      'bob',
      'alice',
    ]);
  });

  it('is not reused after an upload whose response came early', async () => {
    bff.upstream.handler = (_request, response) => void response.writeHead(200).end('early');
    const socket = connect(bff.port, '127.0.0.1');
    const seen: Buffer[] = [];
    socket.on('data', (chunk) => seen.push(chunk));
    socket.write(`POST /api/one HTTP/1.1\r\n${head()}Content-Length: 60\r\n\r\n12345`);
    await waitFor(() => expect(Buffer.concat(seen).toString()).toContain('early'));
    // What still belongs to the body looks like a request; it must not become one.
    const rest = 'GET /api/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'.padEnd(55, 'x');
    socket.write(`${rest}GET /api/two HTTP/1.1\r\n${head()}Connection: close\r\n\r\n`);
    await once(socket, 'close');
    const paths = bff.upstream.requests.map(({ url }) => url);
    expect(paths).not.toContain('/api/smuggled');
    expect(paths).toEqual(['/api/one', '/api/two']);
  });
});

/**
 * Sends a large body whatever is answered meanwhile, as browsers do, then asks again on the same
 * connection. Node's own client would stop in the middle.
 */
async function upload(
  path: string,
  { how = 'content-length', headers = {}, size = 20 * mebibyte }: UploadOptions = {},
): Promise<{ statuses: number[] }> {
  const socket = connect(bff.port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  const isChunked = how === 'chunked';
  const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${size}`;
  socket.write(`POST ${path} HTTP/1.1\r\n${head(alice, headers)}${framing}\r\n\r\n`);
  const chunk = Buffer.alloc(64 * 1024);
  for (let left = size; left > 0; left -= chunk.length) {
    const bytes = chunk.subarray(0, left);
    const parts = isChunked ? [`${bytes.length.toString(16)}\r\n`, bytes, '\r\n'] : [bytes];
    if (!parts.map((part) => socket.write(part)).every(Boolean)) await once(socket, 'drain');
  }
  if (isChunked) socket.write('0\r\n\r\n');
  socket.write(`GET /api/next HTTP/1.1\r\n${head()}Connection: close\r\n\r\n`);
  await once(socket, 'close');
  return {
    statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)),
  };
}

interface UploadOptions {
  readonly how?: string;
  readonly headers?: Record<string, string>;
  readonly size?: number;
}

function chunked(text: string): string {
  return `Transfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
}

async function lengthOf(
  stream: AsyncIterable<Buffer>,
  watch: (soFar: number) => void = () => {},
): Promise<number> {
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    watch(length);
  }
  return length;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of buffers that somebody still holds. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

/** The value once it has stopped growing. */
async function untilStill(value: () => number): Promise<number> {
  let [before, unchanged] = [-1, 0];
  await waitFor(
    () => {
      unchanged = value() === before && before > 0 ? unchanged + 1 : 0;
      before = value();
      return unchanged >= 15;
    },
    { interval: 20 },
  );
  return before;
}
