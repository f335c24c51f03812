import {
  All,
  Body,
  Controller,
  Get,
  Module,
  type NestApplicationOptions,
  type OnModuleInit,
  Post,
  type RawBodyRequest,
  Req,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Application, Request, Response } from 'express';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BffModule, type HostOptions } from '../../src/index.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { type Host, hostOptions, type Prepare, startHostOf } from '../support/bff/host.ts';
import { acceptWebSockets, openWebSocket } from '../support/network/web-sockets.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';

const index = '<!doctype html><title>Shop</title>';

let authorizationServer: AuthorizationServer;
let upstream: Upstream;
let directory: string;

beforeAll(async () => {
  authorizationServer = await startAuthorizationServer();
  upstream = await startUpstream();
  directory = mkdtempSync(join(tmpdir(), 'host-frontend-'));
  writeFileSync(join(directory, 'index.html'), index);
  writeFileSync(join(directory, 'orders.txt'), 'a file');
});

afterAll(async () => {
  rmSync(directory, { recursive: true });
  await Promise.all([authorizationServer.close(), upstream.close()]);
});

@Controller('orders')
class OrdersController {
  @Get()
  list() {
    return { orders: [] };
  }

  @Post()
  create(@Body() body: unknown, @Req() request: RawBodyRequest<Request>) {
    return { body, raw: request.rawBody?.toString() };
  }
}

@Controller('late/:name')
class WildcardController {
  @All()
  all() {
    return { wildcard: true };
  }
}

/** Mounts a handler like the GraphQL and static file modules do. */
@Module({ controllers: [OrdersController, WildcardController] })
class HostFeature implements OnModuleInit {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  onModuleInit(): void {
    const app = this.adapterHost.httpAdapter.getInstance<Application>();
    app.use(
      '/graph',
      (_request: Request, response: Response) => void response.json({ graph: true }),
    );
  }
}

const withDirectory = () => ({ frontend: { directory } });
const withServer = () => ({ frontend: { url: upstream.url } });

async function start(
  changes: object,
  prepare?: Prepare,
  nest = {},
  hooks: HostOptions = {},
): Promise<Host> {
  const input = await hostOptions(authorizationServer, upstream, changes);
  return startHostOf([BffModule.forRoot(input, hooks), HostFeature], input, prepare, nest);
}

/** Status and body of a response. Bodies of pages are text. */
async function answerTo(host: Host, path: string, init?: RequestInit): Promise<unknown[]> {
  const answered = await fetch(host.url + path, init);
  const text = await answered.text();
  return [answered.status, text.startsWith('{') ? JSON.parse(text) : text];
}

/** Status and text of a page that a browser navigates to. */
async function pageAt(host: Host, path: string): Promise<unknown[]> {
  const { status, body } = await host.browser().navigate(path);
  return [status, body];
}

const json = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('a host with a frontend', () => {
  it.each([
    ['in a directory', withDirectory],
    ['on another server', withServer],
  ])('%s serves its own controllers first', async (_, frontend) => {
    await using host = await start(frontend());
    upstream.requests.length = 0;
    expect(await pageAt(host, '/orders')).toEqual([200, '{"orders":[]}']);
    expect(await answerTo(host, '/orders', json({ a: 1 }))).toMatchObject([
      201,
      { body: { a: 1 } },
    ]);
    expect(await answerTo(host, '/late/x', { method: 'DELETE' })).toEqual([
      200,
      { wildcard: true },
    ]);
    expect(await answerTo(host, '/graph/x')).toEqual([200, { graph: true }]);
    expect(upstream.requests).toEqual([]);
  });

  it('in a directory serves files and pages, and the host responds to the rest', async () => {
    await using host = await start(withDirectory());
    expect(await answerTo(host, '/')).toEqual([200, index]);
    expect(await answerTo(host, '/orders.txt')).toEqual([200, 'a file']);
    expect(await pageAt(host, '/settings')).toEqual([200, index]);
    const missing = { statusCode: 404, error: 'Not Found', message: 'Cannot GET /missing.js' };
    expect(await answerTo(host, '/missing.js')).toEqual([404, missing]);
    expect(await answerTo(host, '/settings', json({}))).toMatchObject([404, { statusCode: 404 }]);
    expect(await pageAt(host, '/bff/nowhere')).toEqual([404, expect.not.stringContaining('Shop')]);
    expect(await answerTo(host, '/a%2fb')).toMatchObject([400, { code: 'bad_path' }]);
  });

  it('on another server forwards the rest of its requests and WebSockets', async () => {
    await using host = await start(withServer());
    expect(await answerTo(host, '/page')).toMatchObject([200, { url: '/page' }]);
    const form = await answerTo(host, '/form', json({ a: 1 }));
    expect(form).toMatchObject([200, { method: 'POST', url: '/form', body: '{"a":1}' }]);
    acceptWebSockets(upstream);
    const target = { url: host.url, port: Number(new URL(host.url).port) };
    const page = await openWebSocket(target, undefined, { path: '/hmr' });
    page.socket.send('hello');
    expect(await page.hears(1)).toEqual(['hello']);
    page.socket.close();
  });

  it('and a global prefix keeps the prefix to the host', async () => {
    await using host = await start(withDirectory(), (app) => app.setGlobalPrefix('v'));
    expect(await pageAt(host, '/v/orders')).toEqual([200, '{"orders":[]}']);
    expect(await pageAt(host, '/v/nowhere')).toEqual([404, expect.stringContaining('Cannot GET')]);
    expect(await pageAt(host, '/orders')).toEqual([200, index]);
  });

  const describeApi = (app: NestExpressApplication) =>
    (app.getHttpAdapter().getInstance() as Application).get('/docs', (_request, response) => {
      response.send('the API');
    });

  it('shows an API description that is set up before or after its start', async () => {
    await using before = await start(withDirectory(), describeApi);
    expect(await pageAt(before, '/docs')).toEqual([200, 'the API']);
    await using after = await start(withDirectory(), async (app) => {
      app.setGlobalPrefix('v');
      await app.init();
      describeApi(app);
    });
    expect(await pageAt(after, '/docs')).toEqual([200, 'the API']);
    expect(await pageAt(after, '/other')).toEqual([200, index]);
  });
});

describe('the controllers of a host', () => {
  const body = { text: 'whole' };

  it.each<[string, NestApplicationOptions]>([
    ['with the body parsers of NestJS', {}],
    ['without them', { bodyParser: false }],
    ['with raw bodies', { rawBody: true }],
    ['without parsers and with raw bodies', { bodyParser: false, rawBody: true }],
  ])('get their bodies: %s', async (_, nest) => {
    await using host = await start({}, undefined, nest);
    const raw = nest.rawBody || nest.bodyParser === false ? { raw: JSON.stringify(body) } : {};
    expect(await answerTo(host, '/orders', json(body))).toEqual([201, { body, ...raw }]);
    const form = { method: 'POST', body: new URLSearchParams({ 'a[b]': 'c' }) };
    expect(await answerTo(host, '/orders', form)).toMatchObject([201, { body: { a: { b: 'c' } } }]);
    const broken = { ...json({}), body: '{' };
    expect(await answerTo(host, '/orders', broken)).toMatchObject([400, { statusCode: 400 }]);
    const large = json({ text: 'x'.repeat(200_000) });
    expect(await answerTo(host, '/orders', large)).toMatchObject([413, { statusCode: 413 }]);
  });

  it('get no parsed bodies if the host wants none', async () => {
    await using host = await start({}, undefined, { bodyParser: false }, { bodyParser: false });
    expect(await answerTo(host, '/orders', json(body))).toEqual([201, {}]);
  });

  it('get bodies from a parser of the host where it has one', async () => {
    const prepare = (app: NestExpressApplication) => app.useBodyParser('json', { limit: '1mb' });
    for (const nest of [{}, { bodyParser: false }]) {
      await using host = await start({}, prepare, nest);
      const text = 'x'.repeat(200_000);
      const large = await answerTo(host, '/orders', json({ text }));
      expect(large).toMatchObject([201, { body: { text } }]);
    }
  });
});
