import { request } from 'node:http';
import { networkInterfaces } from 'node:os';
import { hang } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { startRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';

interface Readiness {
  readonly status: string;
  readonly checks: Record<string, { readonly status: string; readonly reason?: string }>;
}

async function ready(bff: TestBff): Promise<{ code: number; milliseconds: number } & Readiness> {
  const start = performance.now();
  const response = await fetch(`${bff.managementUrl}/readyz`);
  const milliseconds = performance.now() - start;
  return { code: response.status, milliseconds, ...((await response.json()) as Readiness) };
}

describe('/livez', () => {
  it('is ok in every state of the dependencies', async () => {
    const redis = await startRedis();
    await using bff = await startBff({ redis: { url: redis.url } });
    await bff.authorizationServer.goDown();
    await redis.stop();
    const response = await fetch(`${bff.managementUrl}/livez?probe=1`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual({ status: 'ok' });
  });
});

describe('/readyz', () => {
  it('is ok with every dependency named', async () => {
    await using bff = await startBff();
    expect(await ready(bff)).toMatchObject({
      code: 200,
      status: 'ok',
      checks: { redis: { status: 'ok' }, 'provider:corp': { status: 'ok' } },
    });
  });

  it('names the memory store for what it is', async () => {
    await using bff = await startBff({ store: 'memory' });
    expect((await ready(bff)).checks).toHaveProperty('memory', { status: 'ok' });
  });

  it('is degraded while a provider is down, also when people have signed in there before', async () => {
    await using bff = await startBff({
      store: 'memory',
      providers: (usual) => [usual, { ...usual, id: 'gone', issuer: 'http://127.0.0.1:9' }],
    });
    const before = await ready(bff);
    expect(before).toMatchObject({ code: 200, status: 'degraded' });
    expect(before.checks).toEqual({
      memory: { status: 'ok' },
      'provider:corp': { status: 'ok' },
      'provider:gone': { status: 'unavailable', reason: expect.stringContaining('ECONNREFUSED') },
    });
    await bff.authorizationServer.goDown();
    expect((await ready(bff)).checks['provider:corp']).toMatchObject({ status: 'unavailable' });
    await bff.authorizationServer.comeBack();
    expect((await ready(bff)).checks['provider:corp']).toEqual({ status: 'ok' });
  });

  it('responds within two seconds while a provider hangs', async () => {
    await using bff = await startBff({ store: 'memory' });
    bff.authorizationServer.override('*', hang());
    const response = await ready(bff);
    expect(response.milliseconds).toBeLessThan(2_000);
    expect(response).toMatchObject({
      code: 200,
      status: 'degraded',
      checks: { 'provider:corp': { status: 'unavailable', reason: 'no response within 1600 ms' } },
    });
  });

  it('responds within two seconds while Redis hangs, and recovers by itself', async () => {
    const redis = await startRedis();
    await using bff = await startBff({ redis: { url: redis.url } });
    expect((await ready(bff)).status).toBe('ok');
    redis.pause();
    const response = await ready(bff);
    expect(response.milliseconds).toBeLessThan(2_000);
    expect(response).toMatchObject({
      code: 503,
      status: 'unavailable',
      checks: {
        redis: { status: 'unavailable', reason: expect.stringMatching(/did not answer within/) },
        'provider:corp': { status: 'ok' },
      },
    });
    redis.resume();
    await waitFor(async () => (await ready(bff)).status === 'ok');
    await redis.stop();
    await waitFor(async () => (await ready(bff)).code === 503);
    await redis.restart();
    await waitFor(async () => (await ready(bff)).status === 'ok');
    await bff.close();
    await redis.stop();
  });
});

describe('the management port', () => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff({ store: 'memory' });
  });
  afterAll(() => bff.close());

  it.each(['/', '/metrics/', '/bff/user', '/readyz/', '/livez/', '/LIVEZ', '//livez'])(
    'knows no %s',
    async (path) => {
      for (const method of ['GET', 'POST']) {
        const response = await fetch(bff.managementUrl + path, { method });
        expect([method, response.status]).toEqual([method, 404]);
        expect(await response.json()).toEqual({ status: 'not found' });
      }
    },
  );

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])(
    'refuses %s and says what is allowed',
    async (method) => {
      for (const path of ['/livez', '/readyz']) {
        const response = await fetch(bff.managementUrl + path, { method });
        expect(response.status).toBe(405);
        expect(response.headers.get('allow')).toBe('GET, HEAD');
        await response.text();
      }
    },
  );

  it.each(['/livez', '/readyz'])('responds to HEAD %s without a body', async (path) => {
    const response = await fetch(bff.managementUrl + path, { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  it('does not reveal its software', async () => {
    const { headers } = await fetch(`${bff.managementUrl}/livez`);
    expect([headers.get('server'), headers.get('x-powered-by')]).toEqual([null, null]);
  });

  it('is bound to the loopback interface unless the operator says otherwise', async () => {
    expect(bff.options.management.host).toBe('127.0.0.1');
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4');
    if (!outside) return console.info('This machine has no address but loopback.');
    const { port } = new URL(bff.managementUrl);
    const failure = await new Promise((resolve) => {
      request({ host: outside.address, port, path: '/livez', timeout: 2_000 }, () =>
        resolve('answered'),
      )
        .once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
        .end();
    });
    expect(failure).toBe('ECONNREFUSED');
  });

  it.each(['/livez', '/readyz', '/metrics', '/sessions'])(
    'is no part of the public port: %s',
    async (path) => {
      const response = await bff.browser().fetch(path);
      expect(response.status).toBe(404);
      await response.text();
    },
  );
});
