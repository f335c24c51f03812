import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { formOf } from '../../src/http/form.ts';
import { BffError } from '../../src/errors.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

const type = 'application/x-www-form-urlencoded';
const limit = 64 * 1024;

describe('the form of a request', () => {
  let server: Upstream;
  let before: (request: IncomingMessage) => unknown;
  let timeout: number | undefined;
  const failures: unknown[] = [];
  beforeAll(async () => {
    server = await startUpstream(async (request, response) => {
      try {
        await before(request);
        response.end(JSON.stringify([...(await formOf(request, timeout))]));
      } catch (error) {
        failures.push(error);
        const { status, headers } = error as BffError;
        response.writeHead(status, headers).end((error as BffError).code);
      }
    });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    failures.length = 0;
    before = () => undefined;
    timeout = undefined;
  });

  const post = async (body: BodyInit, contentType = type) => {
    const headers = { 'content-type': contentType };
    const response = await fetch(server.url, { method: 'POST', body, headers });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };

  it.each([
    ['', []],
    ['a=1', [['a', '1']]],
    ['a', [['a', '']]],
    [
      'a=1&a=2&b=',
      [
        ['a', '1'],
        ['a', '2'],
        ['b', ''],
      ],
    ],
    ['a=x+y%20z%2B', [['a', 'x y z+']]],
    ['%61=%C3%A9', [['a', 'é']]],
    [
      'a[]=1&a[b]=2',
      [
        ['a[]', '1'],
        ['a[b]', '2'],
      ],
    ],
    ['__proto__=1', [['__proto__', '1']]],
    ['a=%', [['a', '%']]],
    ['a=%FF', [['a', '\uFFFD']]],
  ])('of %j is %j', async (body, fields) => {
    expect(JSON.parse((await post(body)).text)).toEqual(fields);
  });

  it.each([type, 'Application/X-WWW-Form-URLEncoded', `${type};charset=utf-8`, `${type} ; x=y`])(
    'is read from a body of the type %s',
    async (contentType) => {
      expect(JSON.parse((await post('a=1', contentType)).text)).toEqual([['a', '1']]);
    },
  );

  it.each(['application/json', 'text/plain', `${type}x`, `x${type}`, `multipart/${type}`, 'x', ''])(
    'is empty for a body of the type %j',
    async (contentType) => {
      expect(JSON.parse((await post('a=1', contentType)).text)).toEqual([]);
    },
  );

  it('is read in pieces, however small, also of a letter', async () => {
    const head = `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: ${type}\r\n`;
    const bytes = [...Buffer.from('a=é')];
    const chunks = bytes.map((byte) => `1\r\n${String.fromCharCode(byte)}\r\n`).join('');
    const response = await rawRequest(
      server.port,
      `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
    );
    expect(response.bytes.toString()).toContain('[["a","é"]]');
  });

  it('may have 64 KB and not a byte more', async () => {
    expect((await post('a'.repeat(limit))).status).toBe(200);
    const refused = await post('a'.repeat(limit + 1));
    expect([refused.status, refused.text]).toEqual([413, 'body_too_large']);
    expect(refused.headers.get('connection')).toBe('close');
  });

  it('is refused before its end when it has none', async () => {
    const endless = new ReadableStream({
      pull: (stream) => stream.enqueue(Buffer.alloc(16 * 1024, 'a')),
    });
    const headers = { 'content-type': type };
    const init = { method: 'POST', body: endless, headers, duplex: 'half' } as const;
    expect((await fetch(server.url, init)).status).toBe(413);
  });

  it('is refused when it trickles in for too long, and the connection is closed (slow body)', async () => {
    timeout = 200;
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 60000`;
    socket.write(`${head}\r\n\r\na=`);
    const drip = setInterval(() => socket.write('1'), 20);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await new Promise((resolve) => void socket.once('close', resolve));
    clearInterval(drip);
    const response = Buffer.concat(chunks).toString();
    expect(response).toMatch(/^HTTP\/1\.1 400 /);
    expect(response).toMatch(/^connection: close\r$/im);
    expect(failures).toEqual([expect.objectContaining({ code: 'invalid_request', status: 400 })]);
  });

  it.each([
    ['64 fields', Array.from({ length: 64 }, (_, n) => `p${n}=1`).join('&'), 200],
    ['64 fields and empty ones', Array.from({ length: 64 }, (_, n) => `p${n}`).join('&&&'), 200],
    ['65 fields', Array.from({ length: 65 }, (_, n) => `p${n}=1`).join('&'), 400],
    ['32,000 fields', 'a&'.repeat(32_000), 400],
  ])('of %s', async (_, body, status) => {
    expect((await post(body)).status).toBe(status);
  });

  it('is none when the sender goes away in the middle', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 9\r\n\r\na=1`,
    );
    await waitFor(() => server.last.body.length === 3);
    socket.destroy();
    await waitFor(() => failures.length === 1);
    expect(failures).toEqual([expect.objectContaining({ code: 'invalid_request', status: 400 })]);
  });

  it('is empty without waiting when other code has read the body', async () => {
    before = (request) => text(request);
    expect(JSON.parse((await post('a=1')).text)).toEqual([]);
  });
});
