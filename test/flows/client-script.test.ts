import { brotliCompressSync, brotliDecompressSync, gunzipSync } from 'node:zlib';
import { request } from 'undici';
import { BffModule } from '../../src/index.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { hostOptions, startHostOf } from '../support/bff/host.ts';

/** The size of the script that a browser downloads at most, in bytes. */
const budget = 4000;

describe('the browser client that the BFF serves', () => {
  let bff: TestBff;
  beforeAll(async () => void (bff = await startBff()));
  afterAll(() => bff.close());

  async function get(path: string, headers: Record<string, string> = {}, method = 'GET' as const) {
    const response = await request(bff.url + path, { method, headers });
    return { ...response, bytes: Buffer.from(await response.body.arrayBuffer()) };
  }

  it('is an ES module that every browser of a page of ours may load', async () => {
    const { statusCode, headers, bytes } = await get('/bff/client.js');
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'public, max-age=60',
      vary: 'Accept-Encoding',
    });
    expect(bytes.toString()).toMatch(/export\{.*\bas createBffClient\b.*\}/);
    expect(bytes.toString()).not.toMatch(/\bimport[\s({'"]/);
  });

  it(`takes less than ${budget} bytes`, async () => {
    const { headers, bytes } = await get('/bff/client.js', { 'accept-encoding': 'gzip, br' });
    expect(headers['content-encoding']).toBe('br');
    expect(bytes.length).toBeLessThan(budget);
    const plain = brotliDecompressSync(bytes);
    expect(brotliCompressSync(plain).length).toBeLessThan(budget);
  });

  it('is compressed as the browser wants', async () => {
    const { bytes: plain } = await get('/bff/client.js');
    const { headers, bytes } = await get('/bff/client.js', { 'accept-encoding': 'gzip' });
    expect(headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(bytes).equals(plain)).toBe(true);
  });

  it('has an address that never changes its content', async () => {
    const { headers, bytes } = await get('/bff/client.js');
    const address = String(headers['content-location']);
    expect(address).toMatch(/^\/bff\/client\.[0-9a-f]{16}\.js$/);
    const immutable = await get(address);
    expect(immutable.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(immutable.bytes.equals(bytes)).toBe(true);
  });

  it('is not sent again to a browser that has it', async () => {
    const { headers } = await get('/bff/client.js');
    const again = await get('/bff/client.js', { 'if-none-match': String(headers['etag']) });
    expect([again.statusCode, again.bytes.length]).toEqual([304, 0]);
    const { statusCode } = await get('/bff/client.js', { 'if-none-match': 'W/"other"' });
    expect(statusCode).toBe(200);
  });

  it('is found at the address of another version, too, and not stored there', async () => {
    const { statusCode, headers } = await get('/bff/client.0123456789abcdef.js');
    expect([statusCode, headers['location']]).toEqual([302, '/bff/client.js']);
    expect(headers['cache-control']).toBe('no-store');
  });

  it.each([
    ['/bff/client.map', 404],
    ['/bff/client.0123456789ABCDEF.js', 400],
    ['/bff/client.0123.js', 404],
    ['/bff/client.js/', 404],
    ['/bff/Client.js', 400],
    ['/bff/client.js;x', 400],
  ])('is nowhere else: %s, %i', async (path, status) => {
    expect((await get(path)).statusCode).toBe(status);
  });

  it('needs neither a session nor Redis', async () => {
    await using other = await startBff();
    const browser = await other.signedIn();
    await other.redis.close();
    const response = await browser.fetch('/bff/client.js', { csrf: false });
    expect(response.status).toBe(200);
  });

  it('is served in a NestJS application, too', async () => {
    const { authorizationServer, upstream } = bff;
    const options = await hostOptions(authorizationServer, upstream, { basePath: '/own' });
    const application = startHostOf([BffModule.forRoot(options)], options, (app) =>
      app.setGlobalPrefix('v1'),
    );
    await using host = await application;
    const response = await request(`${host.url}/own/client.js`);
    expect(response.statusCode).toBe(200);
    expect(await response.body.text()).toContain('createBffClient');
  });

  it('knows the CSRF header and the path of its BFF, and another hash with them', async () => {
    await using other = await startBff({
      store: 'memory',
      basePath: '/auth/bff',
      csrf: { header: 'X-Requested-By', value: "it's </script> $& us" },
    });
    const response = await request(`${other.url}/auth/bff/client.js`);
    const script = await response.body.text();
    expect(script).toContain(`{"header":"X-Requested-By","value":"it's </script> $& us"}`);
    expect(script).not.toContain('PIXIE_BFF_CSRF');
    expect(response.headers['content-location']).toMatch(/^\/auth\/bff\/client\.[0-9a-f]{16}\.js$/);
    const { headers } = await get('/bff/client.js');
    expect(response.headers['etag']).not.toBe(headers['etag']);
  });
});
