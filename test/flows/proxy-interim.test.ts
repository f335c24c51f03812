import { createServer } from 'node:net';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { listen } from '../support/upstream/upstream.ts';

/** What the upstream sends for every request, a packet each. */
let packets: string[];
let bff: TestBff;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  const server = createServer((socket) => {
    socket.setNoDelay().on('error', () => socket.destroy());
    socket.on('data', async () => {
      for (const packet of packets) {
        await new Promise((sent) => socket.write(packet, 'latin1', sent));
        // The next packet is one of its own only when this one has left.
        await new Promise((left) => setImmediate(left));
      }
    });
  });
  const { port } = await listen(server, 0);
  closing.push(() => server.close());
  const route = { token: 'none', timeout: '1s', upstream: `http://127.0.0.1:${port}` } as const;
  bff = await startBff({ store: 'memory', route });
});

afterAll(async () => {
  await bff.close();
  for (const close of closing) close();
});

const interim = 'HTTP/1.1 100 Continue\r\n\r\n';
const ok = (body = 'ok') =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nX-A: b\r\n\r\n${body}`;

describe('an unexpected interim response', () => {
  it.each<[string, string[]]>([
    ['before the answer', [interim, ok()]],
    ['in one packet with the answer', [interim + ok()]],
    ['byte by byte', [...(interim + ok())]],
    ['with headers', ['HTTP/1.1 100 Go on\r\nServer: x\r\nDate: y\r\n\r\n', ok()]],
    ['many times', [interim.repeat(1_000), interim.repeat(1_000) + ok()]],
    ['cut before its end', [interim.slice(0, -1), `\n${ok()}`]],
    ['with a closing header', ['HTTP/1.1 103 X\r\nConnection: close\r\n\r\n', ok()]],
    ['as early hints', ['HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n', ok()]],
    ['as both', [interim, 'HTTP/1.1 103 Early Hints\r\n\r\n', ok()]],
    ['the other way round', ['HTTP/1.1 103 Early Hints\r\n\r\n', interim, ok()]],
    ['one after another', ['HTTP/1.1 102 Processing\r\n\r\n'.repeat(50) + interim, interim, ok()]],
    ['not at all, byte by byte', [...ok()]],
  ])('is nothing to a browser: %s', async (_how, given) => {
    packets = given;
    for (const method of ['GET', 'POST', 'GET']) {
      const body = method === 'POST' ? { body: 'x'.repeat(1_000) } : {};
      const response = await bff.browser().fetch('/api/x', { method, ...body });
      expect([response.status, await response.text()]).toEqual([200, 'ok']);
      expect(response.headers.get('x-a')).toBe('b');
    }
  });

  it('is part of a body where it stands in one', async () => {
    const body = `${interim}${interim}end`;
    const [head = ''] = ok(body).split(interim);
    packets = [head, interim, interim, 'end'];
    expect(await (await bff.browser().fetch('/api/x')).text()).toBe(body);
  });

  it.each([
    ['that is all', [interim]],
    ['that does not end', [interim.slice(0, -2)]],
    ['that does not end within reason', [interim.slice(0, -2), `X: ${'x'.repeat(50_000)}`]],
  ])('is none %s', async (_how, given) => {
    packets = given;
    const response = await bff.browser().fetch('/api/x');
    expect([502, 504]).toContain(response.status);
  });
});

describe('a response that has no body', () => {
  it.each([
    ['204 No Content', undefined],
    ['304 Not Modified', '5'],
  ])('%s has the length %s', async (status, length) => {
    packets = [`HTTP/1.1 ${status}\r\nContent-Length: 5\r\n\r\n`];
    const lines = ['GET /api/x HTTP/1.1', 'Host: x', 'Connection: close', '', ''];
    const { text } = await rawRequest(bff.port, lines.join('\r\n'));
    expect(text.startsWith(`HTTP/1.1 ${status}\r\n`)).toBe(true);
    expect(text.endsWith('\r\n\r\n')).toBe(true);
    expect(/\r\ncontent-length: (.*)\r\n/i.exec(text)?.[1]).toBe(length);
  });
});
