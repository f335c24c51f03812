import { startBff, type TestBff } from '../support/bff/bff.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { echo } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

let bff: TestBff;
let cookie: string;

beforeAll(async () => {
  bff = await startBff({
    store: 'memory',
    routes: (usual, { upstream: { url } }) => [
      usual,
      { path: '/public', upstream: url, token: 'none' },
    ],
  });
  const alice = await bff.signedIn();
  const session = alice.cookies().find(({ name }) => name === 'bff');
  cookie = `bff=${session?.value}`;
});

afterAll(() => bff.close());

beforeEach(() => {
  bff.upstream.requests.length = 0;
  bff.upstream.handler = echo();
});

// Whatever was sent: the process is alive.
afterEach(async () => {
  const response = await bff.browser().fetch('/public/alive');
  if (response.status !== 200)
    throw new Error(`The next call is responded with ${response.status}.`);
});

/** A whole request of somebody signed in: `first` begins it, `rest` follows the usual headers. */
function ofAlice(first: string, rest = '\r\n', host = 'Host: localhost\r\n'): string {
  return `${first}\r\n${host}X-CSRF: 1\r\nCookie: ${cookie}\r\nConnection: close\r\n${rest}`;
}

/** What a second request, hidden in the body of the first, would look like. */
const hidden = 'GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\nX-CSRF: 1\r\n\r\n';

const post = (rest: string) => ofAlice('POST /api/x HTTP/1.1', rest);

const send = (bytes: string) => rawRequest(bff.port, bytes, { deadline: 1_000 });

describe('a request target that is no path', () => {
  it.each([
    ['the absolute form', 'GET http://localhost/api/x HTTP/1.1'],
    ['the absolute form of another server', 'GET http://evil.test/api/x HTTP/1.1'],
    ['cloud metadata', 'GET http://169.254.169.254/latest/meta-data HTTP/1.1'],
    ['the absolute form with https', 'GET https://localhost/api/x HTTP/1.1'],
    ['half an absolute form', 'GET http:/api/x HTTP/1.1'],
    ['two slashes', 'GET //evil.test/api/x HTTP/1.1'],
    ['a slash and a backslash', 'GET /\\evil.test HTTP/1.1'],
    ['an at sign', 'GET @evil.test/api/x HTTP/1.1'],
    ['no slash', 'GET api/x HTTP/1.1'],
    ['an asterisk', 'OPTIONS * HTTP/1.1'],
    ['an asterisk for GET', 'GET * HTTP/1.1'],
    ['an authority', 'CONNECT evil.test:443 HTTP/1.1'],
    ['our own authority', 'CONNECT localhost:80 HTTP/1.1'],
    ['a fragment', 'GET /api/x#y HTTP/1.1'],
    ['a backslash', 'GET /api/..\\admin HTTP/1.1'],
    ['bytes beyond ASCII', 'GET /api/caf\u00e9 HTTP/1.1'],
    ['a tab', 'GET /api/a\tb HTTP/1.1'],
    ['a NUL', 'GET /api/a\0b HTTP/1.1'],
    ['nothing', 'GET  HTTP/1.1'],
    ['a blank inside', 'GET /api/a b HTTP/1.1'],
  ])('%s is refused, and no upstream gets a request', async (_what, requestLine) => {
    const { statuses, closed } = await send(ofAlice(requestLine));
    for (const status of statuses) expect([400, 404, 405]).toContain(status);
    expect(closed).toBe(true);
    expect(bff.upstream.requests).toEqual([]);
  });
});

describe('a request that servers read differently', () => {
  const chunks = '5\r\nhello\r\n0\r\n\r\n';
  const te = (value: string, body = `0\r\n\r\n${hidden}`) =>
    post(`Transfer-Encoding: ${value}\r\n\r\n${body}`);

  const refused: readonly [string, () => string][] = [
    [
      'length and chunks',
      () => post(`Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX`),
    ],
    [
      'chunks and length',
      () => post(`Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX`),
    ],
    ['two lengths', () => post(`Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`)],
    ['the same length twice', () => post(`Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`)],
    ['a list of lengths', () => post('Content-Length: 5, 5\r\n\r\nhello')],
    ['a length with a plus', () => post('Content-Length: +5\r\n\r\nhello')],
    ['a negative length', () => post('Content-Length: -1\r\n\r\nhello')],
    ['a hexadecimal length', () => post('Content-Length: 0x5\r\n\r\nhello')],
    ['a length and something', () => post('Content-Length: 5 x\r\n\r\nhello')],
    ['a length beyond all numbers', () => post(`Content-Length: 1${'0'.repeat(30)}\r\n\r\nhello`)],
    ['an exponent', () => post('Content-Length: 1e1\r\n\r\nhello')],
    ['a blank before the colon', () => post(`Transfer-Encoding : chunked\r\n\r\n${chunks}`)],
    ['a blank before the length’s colon', () => post('Content-Length : 5\r\n\r\nhello')],
    ['an unknown coding', () => te('xchunked')],
    ['chunked before identity', () => te('chunked, identity')],
    ['identity', () => te('identity')],
    ['gzip without chunks', () => te('gzip')],
    ['a vertical tab', () => te('\x0bchunked')],
    ['a NUL in the coding', () => te('chunked\0')],
    ['a quoted coding', () => te('"chunked"')],
    [
      'two codings in two lines',
      () => post(`Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n${chunks}`),
    ],
    ['a chunk size with 0x', () => te('chunked', `0x5\r\nhello\r\n0\r\n\r\n`)],
    ['a blank chunk size', () => te('chunked', ` 5\r\nhello\r\n0\r\n\r\n`)],
    ['a negative chunk size', () => te('chunked', '-5\r\nhello\r\n0\r\n\r\n')],
    [
      'a chunk size beyond all numbers',
      () => te('chunked', 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'),
    ],
    ['a chunk longer than its size', () => te('chunked', '2\r\nhello\r\n0\r\n\r\n')],
    ['a chunk that ends in LF', () => te('chunked', '5\nhello\n0\n\n')],
    [
      'a length among the trailers',
      () => te('chunked', '5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n'),
    ],
    ['a header that is folded', () => post('X-A: 1\r\n X-B: 2\r\nContent-Length: 0\r\n\r\n')],
    ['a first header that is folded', () => `GET /api/x HTTP/1.1\r\n Host: localhost\r\n\r\n`],
    ['a bare CR in a value', () => ofAlice('GET /api/x HTTP/1.1', 'X-A: a\rX-B: b\r\n\r\n')],
    ['a NUL in a value', () => ofAlice('GET /api/x HTTP/1.1', 'X-A: a\0b\r\n\r\n')],
    ['a NUL in a name', () => ofAlice('GET /api/x HTTP/1.1', 'X\0A: a\r\n\r\n')],
    ['a name with a blank', () => ofAlice('GET /api/x HTTP/1.1', 'X A: a\r\n\r\n')],
    ['a header without a colon', () => ofAlice('GET /api/x HTTP/1.1', 'X-A\r\n\r\n')],
    ['a header without a name', () => ofAlice('GET /api/x HTTP/1.1', ': a\r\n\r\n')],
    ['no Host', () => ofAlice('GET /api/x HTTP/1.1', '\r\n', '')],
    ['two Hosts', () => ofAlice('GET /api/x HTTP/1.1', 'Host: evil.test\r\n\r\n')],
    ['the same Host twice', () => ofAlice('GET /api/x HTTP/1.1', 'Host: localhost\r\n\r\n')],
    ['chunked twice', () => te('chunked, chunked', chunks)],
    ['lines that end in LF', () => ofAlice('GET /api/x HTTP/1.1').replaceAll('\r\n', '\n')],
    ['no version', () => `GET /api/x\r\n\r\n`],
    ['version 1.2', () => ofAlice('GET /api/x HTTP/1.2')],
    ['a version in lower case', () => ofAlice('GET /api/x http/1.1')],
    ['tabs in the request line', () => ofAlice('GET\t/api/x\tHTTP/1.1')],
    ['an unknown method', () => ofAlice('GE /api/x HTTP/1.1')],
    ['a method in lower case', () => ofAlice('get /api/x HTTP/1.1')],
    ['the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    [
      'more headers than fit',
      () => ofAlice('GET /api/x HTTP/1.1', `X-A: ${'a'.repeat(20_000)}\r\n\r\n`),
    ],
    ['a path that is too long', () => ofAlice(`GET /api/${'a'.repeat(20_000)} HTTP/1.1`)],
    ['a switch to HTTP/2 in the clear as CONNECT', () => ofAlice('CONNECT /api/x HTTP/1.1')],
  ];

  it.each(refused)(
    '%s is refused, and nothing of it reaches the upstream whole',
    async (_what, bytes) => {
      const { statuses, closed } = await send(bytes());
      for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400);
      expect(closed).toBe(true);
      // The head may have been well formed; then what follows must not look like a complete body.
      const outcomes = await Promise.all(bff.upstream.requests.map(({ ended }) => ended));
      expect(outcomes).not.toContain('complete');
      expect(bff.upstream.requests.map(({ url }) => url)).not.toContain('/api/smuggled');
    },
  );

  const tolerated: readonly [string, () => string, string][] = [
    ['a tab before the coding', () => te('\tchunked', chunks), 'hello'],
    ['a coding in another case', () => te('Chunked', chunks), 'hello'],
    ['a small chunk extension', () => te('chunked', '5;a=b\r\nhello\r\n0\r\n\r\n'), 'hello'],
    ['leading zeros', () => post('Content-Length: 0005\r\n\r\nhello'), 'hello'],
    ['blanks around the length', () => post('Content-Length:   5  \r\n\r\nhello'), 'hello'],
    [
      'trailers that are no trailers',
      () =>
        te(
          'chunked',
          '5\r\nhello\r\n0\r\nAuthorization: Bearer evil\r\nHost: evil.test\r\nCookie: evil\r\n\r\n',
        ),
      'hello',
    ],
    [
      'an extension of many bytes',
      () => te('chunked', `5;${'a'.repeat(8_000)}\r\nhello\r\n0\r\n\r\n`),
      'hello',
    ],
    ['HTTP/1.0', () => ofAlice('GET /api/x HTTP/1.0'), ''],
    ['a version that this is not', () => ofAlice('GET /api/x HTTP/2.0'), ''],
    ['an empty line before it', () => `\r\n${ofAlice('GET /api/x HTTP/1.1')}`, ''],
    [
      'chunks with HTTP/1.0',
      () => ofAlice('POST /api/x HTTP/1.0', `Transfer-Encoding: chunked\r\n\r\n${chunks}`),
      'hello',
    ],
    ['a Host that is a list', () => ofAlice('GET /api/x HTTP/1.1', '\r\n', 'Host: a, b\r\n'), ''],
    [
      'a Host that is foreign',
      () => ofAlice('GET /api/x HTTP/1.1', '\r\n', 'Host: evil.test\r\n'),
      '',
    ],
    ['an empty Host', () => ofAlice('GET /api/x HTTP/1.1', '\r\n', 'Host:\r\n'), ''],
    [
      'a GET with chunks',
      () => ofAlice('GET /api/x HTTP/1.1', `Transfer-Encoding: chunked\r\n\r\n${chunks}`),
      'hello',
    ],
    [
      'a HEAD with a body',
      () => ofAlice('HEAD /api/x HTTP/1.1', 'Content-Length: 5\r\n\r\nhello'),
      'hello',
    ],
    [
      'an OPTIONS with chunks',
      () => ofAlice('OPTIONS /api/x HTTP/1.1', `Transfer-Encoding: chunked\r\n\r\n${chunks}`),
      'hello',
    ],
    [
      'a DELETE with chunks',
      () => ofAlice('DELETE /api/x HTTP/1.1', `Transfer-Encoding: chunked\r\n\r\n${chunks}`),
      'hello',
    ],
    [
      'a body that looks like a request',
      () => post(`Content-Length: ${hidden.length}\r\n\r\n${hidden}`),
      hidden,
    ],
    [
      'chunks that look like a request',
      () => te('chunked', `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`),
      hidden,
    ],
    [
      'an upgrade to HTTP/2 in the clear',
      () =>
        ofAlice('GET /api/x HTTP/1.1', 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n'),
      '',
    ],
    ['an upgrade to anything', () => ofAlice('GET /api/x HTTP/1.1', 'Upgrade: evil\r\n\r\n'), ''],
  ];

  it.each(tolerated)(
    '%s reaches the upstream as one request of good form',
    async (_what, bytes, body) => {
      await send(bytes());
      const requests = bff.upstream.requests;
      for (const { ended } of requests) expect(await ended).toBe('complete');
      expect(requests).toHaveLength(1);
      const request = bff.upstream.last;
      expect(request.url).toBe('/api/x');
      expect(request.body.toString()).toBe(body);
      expect(request.headerValues('host')).toEqual([new URL(bff.upstream.url).host]);
      expect(request.headerValues('authorization')).toEqual([expect.stringMatching(/^Bearer /)]);
      const { 'content-length': length, 'transfer-encoding': coding, upgrade } = request.headers;
      expect([length, coding].filter((value) => value !== undefined).length).toBeLessThanOrEqual(1);
      expect([undefined, 'chunked']).toContain(coding);
      expect(Number(length ?? body.length)).toBe(body.length);
      expect(upgrade).toBeUndefined();
      expect(request.rawTrailers).toEqual([]);
      expect(request.rawHeaders.join('\n')).not.toMatch(/evil|http2-settings/i);
    },
  );

  it('is one request for the browser and one for the upstream: no response is left over', async () => {
    const requests = [
      ofAlice('POST /api/one HTTP/1.1', `Content-Length: ${hidden.length}\r\n\r\n${hidden}`),
      ofAlice('GET /api/two HTTP/1.1'),
    ].map((request, index) =>
      index === 0 ? request.replace('Connection: close\r\n', '') : request,
    );
    const { statuses } = await send(requests.join(''));
    expect(statuses).toEqual([200, 200]);
    expect(bff.upstream.requests.map(({ url }) => url)).toEqual(['/api/one', '/api/two']);
  });

  it('cannot hide behind chunk extensions without end', async () => {
    const { statuses, closed } = await send(
      te('chunked', `5;${'a'.repeat(1_000_000)}\r\nhello\r\n0\r\n\r\n`),
    );
    expect(statuses).toEqual([expect.any(Number)]);
    expect(statuses[0]).toBeGreaterThanOrEqual(400);
    expect(closed).toBe(true);
  });

  it('may come slowly, byte by byte', async () => {
    const { connect } = await import('node:net');
    const socket = connect(bff.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    for (const byte of ofAlice('POST /api/x HTTP/1.1', 'Content-Length: 5\r\n\r\nhello')) {
      await new Promise((sent) => socket.write(byte, sent));
    }
    await waitFor(() => expect(text).toContain('HTTP/1.1 200'));
    socket.destroy();
    expect(bff.upstream.last.body.toString()).toBe('hello');
  });
});

describe('a path that could be read in two ways', () => {
  it.each([
    '/api/../bff/user',
    '/api/%2e%2e/bff/user',
    '/api/orders/..%2fadmin',
    '/api/orders/%252e%252e/admin',
    '/api/orders/..;/admin',
    '/api//orders',
    '/api/orders%00',
    '/api/orders%0d%0aX-Admin:%201',
    '/api/%ff',
    '/api/%',
    '/bff/../api/x',
    '/bff/%2e%2e/api/x',
    '/nowhere/..',
    '//bff/user',
  ])('%s is 400 for all users and all routes', async (path) => {
    for (const bytes of [
      ofAlice(`GET ${path} HTTP/1.1`),
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    ]) {
      const { statuses, text } = await send(bytes);
      expect(statuses).toEqual([400]);
      expect(text).toContain('"code":"bad_path"');
    }
    expect(bff.upstream.requests).toEqual([]);
  });

  it('is never more than one path at the upstream', async () => {
    await send(ofAlice('GET /%61pi/%7Euser/a%20b;v=1?x=%2e%2e/../y HTTP/1.1'));
    expect(bff.upstream.last.url).toBe('/api/~user/a%20b;v=1?x=%2e%2e/../y');
  });
});

describe('a request for a WebSocket', () => {
  it('is refused, and does not reach the upstream as an ordinary one', async () => {
    await using own = await startBff({ store: 'memory', route: { token: 'none' } });
    const lines = ['GET /api/x HTTP/1.1', `Host: localhost`, 'Connection: upgrade'];
    const { statuses } = await rawRequest(
      own.port,
      [...lines, 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', '', ''].join('\r\n'),
    );
    expect(statuses).toEqual([400]);
    expect(own.upstream.requests).toEqual([]);
  });
});

describe('the session cookie of a raw request', () => {
  it.each([
    ['in two Cookie lines', (value: string) => `Cookie: a=1\r\nCookie: ${value}\r\n`, 200],
    [
      'with the name in another case',
      (value: string) => `Cookie: ${value.replace('bff=', 'BFF=')}\r\n`,
      401,
    ],
    ['behind a blank of Unicode', (value: string) => `Cookie: \u00e2\u0080\u0080${value}\r\n`, 401],
    ['twice', (value: string) => `Cookie: ${value}\r\nCookie: ${value}\r\n`, 200],
    ['quoted', (value: string) => `Cookie: ${value.replace(/=(.*)/, '="$1"')}\r\n`, 200],
  ])('%s never reaches the upstream', async (_how, line, status) => {
    const { statuses } = await send(
      `GET /api/x HTTP/1.1\r\nHost: x\r\nX-CSRF: 1\r\n${line(cookie)}Connection: close\r\n\r\n`,
    );
    expect(statuses).toEqual([status]);
    for (const { headers } of bff.upstream.requests) {
      expect(headers.cookie ?? '').not.toMatch(/bff/i);
    }
  });
});
