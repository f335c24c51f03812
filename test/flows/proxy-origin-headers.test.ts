import { createHash } from 'node:crypto';
import { createServer } from 'node:http2';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { listen } from '../support/upstream/upstream.ts';

/** Response headers that only the BFF or the frontend's server may send to a browser. */
const ofTheOrigin = {
  'secure-session-registration': '(ES256);path="/evil"',
  'secure-session-challenge': '"evil"',
  nel: '{"report_to":"evil","max_age":1}',
  'report-to': '{"group":"evil"}',
  'reporting-endpoints': 'evil="https://evil.test"',
  'set-login': 'logged-in',
  'accept-ch': 'Sec-CH-UA-Model',
  'critical-ch': 'Sec-CH-UA-Model',
  'origin-agent-cluster': '?0',
  'service-worker-allowed': '/',
  'use-as-dictionary': 'match="/*"',
  'x-accel-redirect': '/internal',
  'x-accel-buffering': 'no',
  authorization: 'Bearer echoed',
  'clear-site-data': '"*"',
  'strict-transport-security': 'max-age=0',
};

const crossOrigin = {
  'access-control-allow-origin': 'https://evil.test',
  'access-control-allow-credentials': 'true',
};

/** The headers of these names that a browser received as the upstream sent them. */
function relayed(received: Headers): string[] {
  const sent = Object.entries({ ...ofTheOrigin, ...crossOrigin });
  return sent.filter(([name, value]) => received.get(name) === value).map(([name]) => name);
}

let bff: TestBff;
let frontend: TestBff;
let alice: TestBrowser;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  const http2 = createServer();
  http2.on('stream', (stream) => {
    stream.additionalHeaders({ ':status': 103, 'set-login': 'logged-in', link: '</a.css>' });
    stream.respond({ ':status': 200, ...ofTheOrigin, ...crossOrigin });
    stream.end('ok');
  });
  const { port } = await listen(http2, 0);
  closing.push(() => http2.close());
  bff = await startBff({
    store: 'memory',
    upstream: (_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload', 'set-login': 'logged-in' });
      response.writeHead(200, { ...ofTheOrigin, ...crossOrigin }).end('ok');
    },
    routes: (usual, { upstream: { url } }) => [
      usual,
      { path: '/maybe', upstream: url, token: 'optional' },
      { path: '/open', upstream: url, token: 'none' },
      { path: '/h2', upstream: `http://127.0.0.1:${port}`, http2: true },
    ],
  });
  frontend = await startBff({
    store: 'memory',
    upstream: bff.upstream,
    frontend: { url: bff.upstream.url },
  });
  alice = await bff.signedIn();
});

afterAll(async () => {
  await frontend.close();
  await bff.close();
  for (const close of closing) close();
});

describe('an upstream that speaks for the whole origin', () => {
  it.each(['/api/x', '/maybe/x', '/h2/x'])('is not heard by browsers, at %s', async (path) => {
    const response = await alice.fetch(path);
    expect([response.status, await response.text()]).toEqual([200, 'ok']);
    expect(relayed(response.headers)).toEqual([]);
    expect(response.headers.get('origin-agent-cluster')).toBe('?1');
  });

  it('may set who reads its responses where no token is sent, and nothing else', async () => {
    const response = await bff.browser().fetch('/open/x');
    expect(relayed(response.headers)).toEqual(Object.keys(crossOrigin));
  });

  it('is heard as the server of the frontend, but not about sessions', async () => {
    const response = await frontend.browser().fetch('/page');
    expect(relayed(response.headers)).toEqual([
      'nel',
      'report-to',
      'reporting-endpoints',
      'accept-ch',
      'critical-ch',
      'origin-agent-cluster',
      'service-worker-allowed',
      'use-as-dictionary',
      ...Object.keys(crossOrigin),
    ]);
  });

  it.each(['403 Forbidden', '101 Switching Protocols'])(
    'is ignored when it responds to a handshake with %s',
    async (status) => {
      const theirs = Object.entries({ ...ofTheOrigin, ...crossOrigin, 'x-theirs': 'passed' });
      const lines = [`HTTP/1.1 ${status}`, ...theirs.map(([name, value]) => `${name}: ${value}`)];
      bff.upstream.onUpgrade = ({ headers }, socket) => {
        const accept = acceptance(String(headers['sec-websocket-key']));
        const agreed = [
          'Upgrade: websocket',
          'Connection: Upgrade',
          `Sec-WebSocket-Accept: ${accept}`,
        ];
        const rest = status.startsWith('101') ? agreed : ['Content-Length: 0'];
        socket.end(`${[...lines, ...rest].join('\r\n')}\r\n\r\n`);
      };
      const { statuses, text } = await rawRequest(bff.port, handshake());
      expect(statuses).toEqual([Number(status.slice(0, 3))]);
      const received = headersIn(text);
      expect(relayed(received)).toEqual([]);
      expect(received.get('x-theirs')).toBe('passed');
    },
  );
});

function handshake(): string {
  const lines = ['GET /api/socket HTTP/1.1', 'Host: x', `Origin: ${bff.url}`];
  lines.push(`Cookie: ${alice.cookieHeader('/')}`, 'Connection: Upgrade', 'Upgrade: websocket');
  const key = Buffer.alloc(16).toString('base64');
  lines.push('Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** The `Sec-WebSocket-Accept` value for a key (RFC 6455 §4.2.2). */
function acceptance(key: string): string {
  const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  return createHash('sha1')
    .update(key + magic)
    .digest('base64');
}

function headersIn(text: string): Headers {
  const [head = ''] = text.split('\r\n\r\n', 1);
  const lines = head.split('\r\n').slice(1);
  return new Headers(lines.map((line) => line.split(/: (.*)/, 2) as [string, string]));
}
