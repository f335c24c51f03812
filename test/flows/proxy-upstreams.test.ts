import { createServer as createHttp2Server, createSecureServer } from 'node:http2';
import { createServer } from 'node:http';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { mkdtempSync } from 'node:fs';
import { respondWith, hangUp, inTurn } from '../support/upstream/responses.ts';
import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import { freePort } from '../support/network/ports.ts';
import { runDirectory } from '../support/setup/run-directory.ts';
import { clientCertificate, testTls } from '../support/network/tls.ts';
import { listen, startUpstream } from '../support/upstream/upstream.ts';

type RouteChanges = NonNullable<BffOverrides['route']>;

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A BFF of its own for one kind of upstream, for everybody. */
async function bffFor(route: RouteChanges, others: BffOverrides = {}): Promise<TestBff> {
  const bff = await startBff({ store: 'memory', route: { token: 'none', ...route }, ...others });
  closing.push(() => bff.close());
  return bff;
}

async function startServer(server: Server): Promise<number> {
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return (await listen(server, 0)).port;
}

async function startHelper(...given: Parameters<typeof startUpstream>) {
  const upstream = await startUpstream(...given);
  closing.push(() => upstream.close());
  return upstream;
}

const call = async (bff: TestBff, path = '/api/x', method = 'GET', body?: string) => {
  const response = await bff.browser().fetch(path, { method, ...(body && { body }) });
  return [response.status, await response.text()] as const;
};

describe('an upstream', () => {
  it('may listen on a socket of this machine', async () => {
    const path = join(mkdtempSync(join(runDirectory(), 'socket-')), 'api.sock');
    const server = createServer((request, response) =>
      response.end(`${request.headers.host} ${request.url}`),
    );
    await new Promise<void>((resolve) => server.listen(path, resolve));
    closing.push(() => server.close());
    const bff = await bffFor({ upstream: `unix:${path}` });
    expect(await call(bff, '/api/x?y')).toEqual([200, 'localhost /api/x?y']);
  });

  it('may have its own authority and want a certificate of ours', async () => {
    const { key, cert, ca, caFile } = testTls();
    const { certFile, keyFile } = clientCertificate('bff');
    const upstream = await startHelper(respondWith(200, 'secret'), { tls: { key, cert, ca } });
    const trusted = { upstream: upstream.url, ca: caFile };
    const bff = await bffFor({ ...trusted, clientCert: certFile, clientKey: keyFile });
    expect(await call(bff)).toEqual([200, 'secret']);
    expect((await call(await bffFor(trusted)))[0]).toBe(502);
    expect((await call(await bffFor({ upstream: upstream.url })))[0]).toBe(502);
  });

  it('must be able to use its certificate with its key, or nothing starts', async () => {
    const { certFile } = clientCertificate('one');
    const { keyFile } = clientCertificate('other');
    const route = { upstream: 'https://api', clientCert: certFile, clientKey: keyFile };
    await expect(bffFor(route)).rejects.toThrow(/routes\[0\]: .*cannot be used together/);
  });

  it('may get another path', async () => {
    const bff = await bffFor({ rewrite: '/v1' });
    for (const path of ['/api', '/api/', '/api/x?y', '/%61pi/x', '/api/v1/x'])
      await call(bff, path);
    expect(bff.upstream.requests.map(({ url }) => url)).toEqual([
      '/v1',
      '/v1/',
      '/v1/x?y',
      '/v1/x',
      '/v1/v1/x',
    ]);
  });
});

describe('an upstream that speaks HTTP/2', () => {
  const http2Echo = async (request: AsyncIterable<Buffer>, headers: object) => {
    let size = 0;
    for await (const chunk of request) size += chunk.length;
    return JSON.stringify({ size, ...headers });
  };

  it.each(['with TLS', 'without'])(
    'gets and responds to requests of every size %s',
    async (how) => {
      const { key, cert, caFile } = testTls();
      const server = how === 'without' ? createHttp2Server() : createSecureServer({ key, cert });
      server.on('session', (session) => closing.push(() => session.destroy()));
      server.on('request', async (request, response) => {
        response.writeEarlyHints?.({ link: '</a.css>; rel=preload' });
        response.writeHead(200, { 'set-cookie': ['bff=evil', 'theme=dark'] });
        response.end(await http2Echo(request, request.headers));
      });
      const port = await startServer(server);
      const tls = how === 'without' ? {} : { ca: caFile };
      const upstream = `http${how === 'without' ? '' : 's'}://127.0.0.1:${port}`;
      const bff = await bffFor({ upstream, http2: true, ...tls });
      const responses = await Promise.all([
        call(bff),
        call(bff, '/api/y', 'POST', 'x'.repeat(300_000)),
        call(bff, '/api/z', 'DELETE'),
      ]);
      const seen = responses.map(([status, text]) => [status, JSON.parse(text)]);
      expect(seen).toMatchObject([
        [200, { size: 0, ':path': '/api/x', ':authority': `127.0.0.1:${port}` }],
        [200, { size: 300_000, ':path': '/api/y' }],
        [200, { size: 0, ':method': 'DELETE' }],
      ]);
      const response = await bff.browser().fetch('/api/x');
      expect(response.headers.getSetCookie?.()).toEqual(['theme=dark']);
    },
  );

  it('and does not respond in time is 504', async () => {
    const server = createHttp2Server();
    server.on('sessionError', () => undefined); // it is hung up on
    server.on('session', (session) => closing.push(() => session.destroy()));
    server.on('stream', (stream) => stream.on('error', () => undefined));
    const port = await startServer(server);
    const upstream = `http://127.0.0.1:${port}`;
    const bff = await bffFor({ upstream, http2: true, timeout: '300ms' });
    expect((await call(bff))[0]).toBe(504);
  });

  it('gets HTTP/1.1 where it does not', async () => {
    const { key, cert, caFile } = testTls();
    const upstream = await startHelper(respondWith(200, 'old'), { tls: { key, cert } });
    const bff = await bffFor({ upstream: upstream.url, http2: true, ca: caFile });
    expect(await call(bff)).toEqual([200, 'old']);
  });
});

describe('several servers', () => {
  it('share the calls, and a dead one gets no more', async () => {
    const [one, other] = [
      await startHelper(respondWith(200, 'a')),
      await startHelper(respondWith(200, 'b')),
    ];
    const dead = `http://127.0.0.1:${await freePort()}`;
    const bff = await bffFor({ upstream: [one.url, dead, other.url] });
    for (let turn = 0; turn < 6; turn += 1)
      expect((await call(bff, '/api/x', 'POST', 'body'))[0]).toBe(200);
    for (const { requests } of [one, other]) {
      expect(requests.length).toBeGreaterThanOrEqual(2);
      expect(requests.map(({ body }) => body.toString())).toEqual(requests.map(() => 'body'));
      expect(new Set(requests.map(({ headers }) => headers.host)).size).toBe(1);
    }
  });

  it('get calls by their load', async () => {
    const held: (() => void)[] = [];
    const slow = await startHelper((_request, response) => void held.push(() => response.end('s')));
    const quick = await startHelper(respondWith(200, 'q'));
    const bff = await bffFor({ upstream: [slow.url, quick.url] });
    const calls = Array.from({ length: 2 }, () => call(bff));
    const [first] = await Promise.race(calls.map(async (one) => [await one]));
    expect(first).toEqual([200, 'q']);
    for (let turn = 0; turn < 4; turn += 1) expect(await call(bff)).toEqual([200, 'q']);
    for (const release of held) release();
    await Promise.all(calls);
    expect(slow.requests).toHaveLength(1);
  });

  it('that are all dead are 502', async () => {
    const dead = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
    const bff = await bffFor({ upstream: dead });
    for (let turn = 0; turn < 3; turn += 1) expect((await call(bff))[0]).toBe(502);
  });
});

describe('a connection that breaks before the response', () => {
  it.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])('is another try for %s', async (method) => {
    const bff = await bffFor(
      { retry: 2 },
      { upstream: inTurn(hangUp(), hangUp(), respondWith(200)) },
    );
    expect((await call(bff, '/api/x', method))[0]).toBe(200);
    expect(bff.upstream.requests).toHaveLength(3);
  });

  it.each([
    ['GET', undefined, 3],
    ['POST', undefined, 1],
    ['PATCH', undefined, 1],
    ['PUT', 'body', 1],
  ])('is 502 for %s with the body %s after %d tries', async (method, body, tries) => {
    const bff = await bffFor({ retry: 2 }, { upstream: hangUp() });
    expect((await call(bff, '/api/x', method, body))[0]).toBe(502);
    expect(bff.upstream.requests).toHaveLength(tries);
  });

  it('is no other try once a response has begun', async () => {
    const bff = await bffFor({ retry: 2 });
    bff.upstream.handler = (_request, response) => {
      response.writeHead(200).write('half', () => response.destroy());
    };
    await expect(call(bff)).rejects.toThrow(/aborted|terminated/);
    expect(bff.upstream.requests).toHaveLength(1);
  });
});

describe('headers made of claims', () => {
  const set = { 'X-User': '${claims.sub}', 'X-Mail': 'mail ${claims.no_such}', 'X-App': 'shop' };

  it('are those of the signed-in user, never those of the client', async () => {
    const bff = await bffFor({ token: 'optional', headers: { set } });
    const alice = await bff.signedIn();
    const forged = { 'X-User': 'admin', x_user: 'admin', 'X-Mail': 'admin', 'X-App': 'evil' };
    await alice.fetch('/api/x', { headers: forged });
    const { headers } = bff.upstream.last;
    expect(headers).toMatchObject({ 'x-user': 'alice', 'x-app': 'shop' });
    await bff.browser().fetch('/api/x', { headers: { 'x-csrf': '1', ...forged } });
    expect(bff.upstream.last.headers).toMatchObject({ 'x-app': 'shop' });
    for (const { rawHeaders } of bff.upstream.requests)
      expect(rawHeaders.join('\n')).not.toMatch(/admin|evil/);
    expect(bff.upstream.last.headers).not.toHaveProperty('x-user');
  });

  it('are left out when they are longer than 8 KB, with one warning', async () => {
    const groups = `x${' '.repeat(30_000)}canary`;
    const bff = await bffFor(
      {
        token: 'user',
        headers: { set: { 'X-Groups': '${claims.name}', 'X-User': '${claims.sub}' } },
      },
      { authorizationServer: { people: { alice: { name: groups } } } },
    );
    const alice = await bff.signedIn();
    const before = process.cpuUsage();
    for (let calls = 0; calls < 5; calls += 1)
      await alice.fetch('/api/x', { headers: { 'X-Groups': 'admin' } });
    const { user } = process.cpuUsage(before);
    expect(user / 5).toBeLessThan(200_000);
    for (const { headers } of bff.upstream.requests) {
      expect(headers['x-user']).toBe('alice');
      expect(headers).not.toHaveProperty('x-groups');
    }
    expect(bff.logs.lines.filter(({ header }) => header !== undefined)).toEqual([
      expect.objectContaining({ level: 'warn', route: '/api', header: 'x-groups' }),
    ]);
    expect(bff.logs.text).not.toContain('canary');
  });
});
