import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ClientDocuments } from '../../src/authorization-server/client-documents/client-documents.ts';
import type { FetchRules } from '../../src/authorization-server/client-documents/fetch-document.ts';
import { frozenClock } from '../support/time/clock.ts';

let server: Server;
let origin: string;
let respond: RequestListener;
let requests: string[];
let connections: Socket[];

beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(request.url ?? '');
    respond(request, response);
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => connections.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  requests = [];
  connections = [];
  respond = serve();
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Responds with the document of the requested address. */
function serve(changes: object = {}, headers: Record<string, string> = {}): RequestListener {
  return ({ url }, response) => {
    const document = {
      client_id: origin + url,
      client_name: 'Helpful Agent',
      redirect_uris: ['http://127.0.0.1/callback'],
      ...changes,
    };
    response.writeHead(200, { 'Content-Type': 'application/json', ...headers });
    response.end(JSON.stringify(document));
  };
}

function documents(changes: Partial<FetchRules> = {}, clock = frozenClock()) {
  const rules = { allowedHosts: undefined, allowsLoopback: true, timeout: 2000, ...changes };
  const found = new ClientDocuments(rules, clock.now);
  return {
    find: (path = '/client.json', address = '') => found.find(origin + path, address),
    findId: (id: string) => found.find(id, ''),
  };
}

const unavailable = { problem: 'unavailable' };
const refusalOf = (sentence: string) => ({
  problem: 'unacceptable',
  cause: { message: expect.stringContaining(sentence) as string },
});
const failureOf = (sentence: string) => ({
  problem: 'unavailable',
  cause: { message: expect.stringContaining(sentence) as string },
});

describe('the document of a client', () => {
  it('tells its name, redirect URIs and grant types', async () => {
    expect(await documents().find()).toEqual({
      clientId: `${origin}/client.json`,
      name: 'Helpful Agent',
      redirectUris: ['http://127.0.0.1/callback'],
      grantTypes: ['authorization_code', 'refresh_token'],
    });
  });

  it.each([
    ['with control and format characters', 'A\u202Ec\u0000m\u200Be\n\t CLI', 'Acme CLI'],
    ['with 300 characters', 'x'.repeat(300), 'x'.repeat(100)],
  ])('has its name cleaned: %s', async (_kind, name, clean) => {
    respond = serve({ client_name: name });
    expect(await documents().find()).toMatchObject({ name: clean });
  });

  it.each([[undefined], ['   '], [7], ['\u3164'], ['\u2800'], ['\u0301'], ['\u200b'], ['--']])(
    'without a usable name (%j) is named by its host',
    async (name) => {
      respond = serve({ client_name: name });
      expect(await documents().find()).toMatchObject({ name: new URL(origin).host });
    },
  );

  it('has no more marks on a letter than a language needs, which cover other text', async () => {
    respond = serve({ client_name: `Acm\u0113${'\u0325\u0302'.repeat(20)} Ti\u1EBFng Vi\u1EC7t` });
    expect((await documents().find())?.name).toMatch(/^Acm\p{L}\p{M}{3} Tiếng Việt$/u);
  });

  it('keeps only the redirect URIs that a client may have', async () => {
    const good = ['https://agent.example/cb', 'com.example.agent:/cb', 'http://[::1]/cb'];
    const bad = ['http://agent.example/cb', 'javascript:alert(1)', 'https://*.example/cb', 'x', 7];
    respond = serve({ redirect_uris: [...bad, ...good, ...good] });
    expect(await documents().find()).toMatchObject({ redirectUris: good });
  });

  it.each([
    ['of another client', { client_id: 'https://other.example/' }, 'another client_id'],
    ['without redirect URIs', { redirect_uris: undefined }, 'no redirect_uris'],
    ['with unusable redirect URIs', { redirect_uris: ['javascript:alert(1)'] }, 'no redirect_uris'],
    ['with a secret', { client_secret: 'x' }, 'contains a secret'],
    [
      'of a confidential client',
      { token_endpoint_auth_method: 'private_key_jwt' },
      'public client',
    ],
  ])('%s is not accepted', async (_kind, changes, sentence) => {
    respond = serve(changes);
    await expect(documents().find()).rejects.toMatchObject(refusalOf(sentence));
  });

  it.each(['[]', 'null', '"x"', '{', ''])('that is %s is not accepted', async (text) => {
    respond = (_request, response) =>
      response.setHeader('Content-Type', 'application/json').end(text);
    await expect(documents().find()).rejects.toMatchObject(refusalOf('is no JSON object'));
  });
});

describe('the response with a document', () => {
  it('may have a media type with the suffix +json', async () => {
    respond = serve({}, { 'Content-Type': 'application/client+json; charset=utf-8' });
    expect(await documents().find()).toBeDefined();
  });

  it.each(['text/html', 'text/json', 'application/jsonp', 'application/json-seq'])(
    'is refused as %s',
    async (type) => {
      respond = serve({}, { 'Content-Type': type });
      await expect(documents().find()).rejects.toMatchObject(failureOf('with the type'));
    },
  );

  it.each([301, 302, 307, 308])('is not looked for behind a redirect (%i)', async (status) => {
    respond = (request, response) => {
      if (request.url !== '/moved') return serve()(request, response);
      response.writeHead(status, { Location: '/client.json' }).end();
    };
    await expect(documents().find('/moved')).rejects.toMatchObject(failureOf('redirects'));
    expect(requests).toEqual(['/moved']);
  });

  it.each([204, 404, 500])('needs the status 200, not %i', async (status) => {
    respond = (_request, response) => response.writeHead(status).end();
    await expect(documents().find()).rejects.toMatchObject(failureOf(`with ${status}`));
  });

  it('has at most 5 KB, also without a length', async () => {
    respond = serve({ padding: 'x'.repeat(4900) });
    expect(await documents().find()).toBeDefined();
    respond = (_request, response) => {
      response.setHeader('Content-Type', 'application/json');
      const more = () => {
        while (response.write('x'.repeat(1024)));
        response.once('drain', more);
      };
      more();
    };
    await expect(documents().find('/endless')).rejects.toMatchObject(
      failureOf('larger than 5120 bytes'),
    );
  });

  it('has few headers', async () => {
    respond = serve({}, { 'X-Padding': 'x'.repeat(9000) });
    await expect(documents().find()).rejects.toMatchObject(unavailable);
  });

  it.each([
    ['sends nothing', () => {}],
    [
      'stops in the middle',
      (_request, response) => {
        response.setHeader('Content-Type', 'application/json');
        response.write('{"client_id":');
      },
    ],
  ] as [string, RequestListener][])(
    'has a time limit if the server %s',
    async (_kind, listener) => {
      respond = listener;
      const finding = documents({ timeout: 200 }).find();
      await expect(finding).rejects.toMatchObject(failureOf('within 200 ms'));
      await Promise.all(connections.map(closed));
    },
  );

  it('has a time limit with its name lookup', async () => {
    const { findId } = documents({ timeout: 200, resolveHost: () => new Promise(() => {}) });
    const finding = findId('https://slow.example/');
    await expect(finding).rejects.toMatchObject(failureOf('within 200 ms'));
  });

  it('keeps no connection open, even if its server offers to', async () => {
    respond = serve({}, { 'Keep-Alive': 'timeout=300' });
    expect(await documents().find()).toBeDefined();
    await Promise.all(connections.map(closed));
  });
});

describe('the address of a document', () => {
  it.each([
    'cli',
    'ftp://agent.example/',
    'http://agent.example/client.json',
    'http://127.agent.example/client.json',
    'http://127.0.0.1.agent.example/client.json',
    'https://agent.example',
    'https://AGENT.example/',
    'https://agent.example:443/',
    'https://agent.example/#fragment',
    'https://agent.example/#',
    'https://user@agent.example/',
    'https://:pw@agent.example/',
    'https://agent.example/a/../b',
    'https://agent.example/%2e%2e/b',
    'https://agent.example\\b',
    'https://2130706433/',
    ' https://agent.example/',
    `https://agent.example/${'x'.repeat(600)}`,
  ])('is no %s', async (id) => {
    expect(await documents().findId(id)).toBeUndefined();
  });

  it.each([
    '127.0.0.1',
    '10.0.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[fd00::1]',
  ])('is not connected to if it is %s', async (host) => {
    const { findId } = documents({ allowsLoopback: false });
    const { port } = server.address() as AddressInfo;
    const finding = findId(`https://${host}:${port}/`);
    await expect(finding).rejects.toMatchObject(failureOf('not a public one'));
    expect(connections).toEqual([]);
  });

  it.each([[['127.0.0.1']], [['8.8.8.8', '127.0.0.1']], [['::ffff:127.0.0.1']]])(
    'is not connected to if its name has the addresses %j',
    async (addresses) => {
      const { findId } = documents({ allowsLoopback: false, resolveHost: async () => addresses });
      const { port } = server.address() as AddressInfo;
      const finding = findId(`https://agent.example:${port}/`);
      await expect(finding).rejects.toMatchObject(failureOf('not a public one'));
      expect(connections).toEqual([]);
    },
  );

  it('is not localhost unless publicUrl is', async () => {
    const id = `${origin.replace('127.0.0.1', 'localhost')}/`;
    expect(await documents({ allowsLoopback: false }).findId(id)).toBeUndefined();
    const finding = documents({ allowsLoopback: false }).findId(id.replace('http:', 'https:'));
    await expect(finding).rejects.toMatchObject(failureOf('not a public one'));
    respond = serve({ client_id: id });
    expect(await documents().findId(id)).toMatchObject({ clientId: id });
  });

  it('may be private in development only if it is loopback', async () => {
    for (const host of ['10.0.0.1', '192.168.0.1', '169.254.169.254', '[fd00::1]']) {
      const finding = documents().findId(`https://${host}/`);
      await expect(finding).rejects.toMatchObject(failureOf('not a public one'));
    }
  });

  it('is resolved once: the address that was checked is connected to (DNS rebinding)', async () => {
    let lookups = 0;
    const resolveHost = async () => {
      lookups += 1;
      return lookups === 1 ? ['127.0.0.1'] : ['10.0.0.1'];
    };
    const { findId } = documents({ resolveHost });
    // Only the checked lookup knows the name. The server speaks no TLS, so no document comes.
    const finding = findId(`https://agent.example:${(server.address() as AddressInfo).port}/`);
    await expect(finding).rejects.toMatchObject(unavailable);
    expect(lookups).toBe(1);
    expect(connections.length).toBeGreaterThan(0);
  });

  it('is that of an allowed host alone, which may be private', async () => {
    const allowedHosts = ['localhost'];
    const id = `https://localhost:${(server.address() as AddressInfo).port}/`;
    const { findId } = documents({ allowedHosts, allowsLoopback: false });
    // The server speaks no TLS, so the connection fails after it was opened.
    await expect(findId(id)).rejects.toMatchObject(unavailable);
    expect(connections.length).toBeGreaterThan(0);
    expect(await findId('https://agent.example/')).toBeUndefined();
  });
});

describe('the cache of documents', () => {
  const hour = 3600_000;

  it.each([
    [undefined, hour],
    ['max-age=60', 60_000],
    ['public, MAX-AGE="120", immutable', 120_000],
    ['max-age=999999999', 24 * hour],
  ])('keeps one with Cache-Control: %s', async (control, time) => {
    respond = serve({}, control === undefined ? {} : { 'Cache-Control': control });
    const clock = frozenClock();
    const { find } = documents({}, clock);
    await find();
    clock.advance(time - 1);
    await find();
    expect(requests).toHaveLength(1);
    clock.advance(1);
    await find();
    expect(requests).toHaveLength(2);
  });

  it.each(['no-store', 'no-cache', 'max-age=0'])('keeps none with %s', async (control) => {
    respond = serve({}, { 'Cache-Control': control });
    const { find } = documents();
    await find();
    await find();
    expect(requests).toHaveLength(2);
  });

  it('keeps no failure', async () => {
    const { find } = documents();
    respond = (_request, response) => response.writeHead(500).end();
    await expect(find()).rejects.toMatchObject(unavailable);
    respond = serve();
    expect(await find()).toBeDefined();
  });

  it('keeps no document whose successor is refused', async () => {
    const clock = frozenClock();
    const { find } = documents({}, clock);
    await find();
    clock.advance(hour);
    respond = serve({ client_secret: 'x' });
    await expect(find()).rejects.toMatchObject(refusalOf('a secret'));
  });

  it('fetches a document once for concurrent requests', async () => {
    const { find } = documents();
    await Promise.all(Array.from({ length: 20 }, () => find()));
    expect(requests).toHaveLength(1);
  });
});

describe('a flood of requests', () => {
  it('fetches at most five documents at once', async () => {
    const { find } = documents({ timeout: 500 });
    respond = () => {};
    const settled = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => find(`/${index}`)),
    );
    const limited = settled.filter(
      (one) =>
        one.status === 'rejected' && (one.reason as { code?: string }).code === 'rate_limited',
    );
    expect(limited).toHaveLength(3);
    respond = serve();
    expect(await find()).toBeDefined();
  });

  it('fetches at most twenty documents a minute for one address, and sixty for all', async () => {
    const clock = frozenClock();
    const { find } = documents({}, clock);
    const fetchMany = async (address: string) => {
      for (let index = 0; index < 20; index += 1) await find(`/${address}/${index}`, address);
    };
    await fetchMany('one');
    await expect(find('/more', 'one')).rejects.toMatchObject({ code: 'rate_limited' });
    await fetchMany('two');
    await fetchMany('three');
    await expect(find('/more', 'four')).rejects.toMatchObject({ code: 'rate_limited' });
    expect(await find('/one/0', 'one')).toBeDefined();
    clock.advance(60_000);
    expect(await find('/more', 'one')).toBeDefined();
  });

  it('does not displace documents that are in use', async () => {
    respond = serve({}, { 'Cache-Control': 'max-age=86400' });
    const clock = frozenClock();
    const { find } = documents({}, clock);
    await find('/used');
    await find('/unused');
    for (let index = 0; index < 1000; index += 1) {
      clock.advance(3000);
      await find(`/${index}`, `address ${index}`);
      await find('/used');
    }
    expect(requests.filter((path) => path === '/used')).toHaveLength(1);
    await find('/unused');
    expect(requests.filter((path) => path === '/unused')).toHaveLength(2);
  });
});

function closed(socket: Socket): Promise<void> | undefined {
  return socket.closed
    ? undefined
    : new Promise((resolve) => socket.once('close', () => resolve()));
}
