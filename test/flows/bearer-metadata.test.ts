/* oxlint-disable typescript/no-extraneous-class -- a NestJS module is a class with nothing in it */
import { Controller, Get, Module } from '@nestjs/common';
import { BffModule } from '../../src/index.ts';
import { startAuthorizationServer } from '../support/authorization-server/authorization-server.ts';
import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import { hostOptions, startHostOf } from '../support/bff/host.ts';
import { startUpstream } from '../support/upstream/upstream.ts';

const resourcePrefix = '/.well-known/oauth-protected-resource';
const serverPath = '/.well-known/oauth-authorization-server/bff/oauth';

const overrides: BffOverrides = {
  store: 'memory',
  routes: (usual) => [
    { ...usual, path: '/', token: 'none' },
    { ...usual, path: '/mcp', clients: ['bearer'], scopes: ['tools'] },
    { ...usual, path: '/api', clients: ['browser', 'bearer'] },
    { ...usual, path: '/web' },
  ],
  bearer: { issuers: [{ issuer: 'https://login.example.com', audience: 'api' }] },
  ownAuthorizationServer: {
    clients: [{ id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] }],
  },
};

describe('the metadata of a route that accepts access tokens', () => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff(overrides);
  });
  afterAll(() => bff.close());
  beforeEach(() => (bff.upstream.requests.length = 0));

  const get = (path: string, init: RequestInit = {}) => fetch(bff.url + path, init);

  it('names the resource, its authorization servers and its scopes (RFC 9728)', async () => {
    const response = await get(`${resourcePrefix}/mcp`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('cache-control')).toBe('public, max-age=60');
    expect(await response.json()).toEqual({
      resource: `${bff.url}/mcp`,
      authorization_servers: [`${bff.url}/bff/oauth`, 'https://login.example.com'],
      scopes_supported: ['tools'],
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: ['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'],
    });
    expect(bff.upstream.requests).toHaveLength(0);
  });

  it('is where the challenge says', async () => {
    const challenge = (await get('/api', { headers: { Authorization: 'Bearer x' } })).headers;
    const [, url = ''] =
      /resource_metadata="([^"]+)"/.exec(challenge.get('www-authenticate') ?? '') ?? [];
    const { resource } = (await (await fetch(url)).json()) as { resource: string };
    expect(resource).toBe(`${bff.url}/api`);
  });

  it('leads to the metadata of our authorization server (RFC 8414)', async () => {
    const response = await get(serverPath);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await response.json()).toMatchObject({
      issuer: `${bff.url}/bff/oauth`,
      authorization_endpoint: `${bff.url}/bff/oauth/authorize`,
      code_challenge_methods_supported: ['S256'],
      protected_resources: [`${bff.url}/mcp`, `${bff.url}/api`],
    });
  });

  it('can be read by scripts of any origin, after a preflight too', async () => {
    for (const path of [`${resourcePrefix}/mcp`, serverPath]) {
      const preflight = await get(path, {
        method: 'OPTIONS',
        headers: {
          Origin: 'https://inspector.example',
          'Access-Control-Request-Method': 'GET',
          'Access-Control-Request-Headers': 'mcp-protocol-version',
        },
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
      expect(preflight.headers.get('access-control-allow-headers')).toBe('*');
    }
  });

  it('has a head without a body', async () => {
    const response = await get(`${resourcePrefix}/mcp`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
  });

  it.each(['POST', 'DELETE', 'PUT'])('is not there for %s', async (method) => {
    const response = await get(`${resourcePrefix}/mcp`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD, OPTIONS');
  });

  it.each([
    ['', 404],
    ['/web', 404],
    ['/mcp/', 404],
    ['/mcp/deeper', 404],
    ['/unknown', 404],
    ['/MCP', 404],
    ['/mcp;x', 404],
  ])('is not there for other resources: %p', async (path, status) => {
    const response = await get(resourcePrefix + path);
    expect(response.status).toBe(status);
    expect(bff.upstream.requests).toHaveLength(0);
  });

  it.each([
    '/.well-known/OAuth-Protected-Resource/mcp',
    '/.well-known/oauth-protected-resource;x/mcp',
    '/.well-known;x/oauth-authorization-server/bff/oauth',
  ])('has no second spelling that an upstream could take for it: %s', async (path) => {
    expect((await get(path)).status).toBe(400);
    expect(bff.upstream.requests).toHaveLength(0);
  });

  it('is there in an equivalent spelling', async () => {
    expect((await get('/.well-known/oauth%2Dprotected-resource/mcp')).status).toBe(200);
  });

  it('leaves other well-known paths to the routes', async () => {
    expect((await get('/.well-known/security.txt')).status).toBe(200);
    expect((await get('/.well-known/oauth-authorization-server/other')).status).toBe(200);
    expect(bff.upstream.requests).toHaveLength(2);
  });
});

describe('without routes for access tokens', () => {
  it('the paths of the metadata are those of the routes', async () => {
    await using bff = await startBff({
      store: 'memory',
      routes: (usual) => [{ ...usual, path: '/', token: 'none' }],
    });
    expect((await fetch(`${bff.url}${resourcePrefix}/mcp`)).status).toBe(200);
    expect((await fetch(bff.url + serverPath)).status).toBe(200);
    expect(bff.upstream.requests).toHaveLength(2);
  });
});

describe('a route for the whole origin', () => {
  it('has its metadata at the prefix itself (RFC 9728 §3.1)', async () => {
    await using bff = await startBff({
      ...overrides,
      route: undefined,
      routes: (usual) => [{ ...usual, path: '/', clients: ['bearer'] }],
    });
    const { resource } = (await (await fetch(bff.url + resourcePrefix)).json()) as {
      resource: string;
    };
    expect(resource).toBe(`${bff.url}/`);
  });
});

@Controller()
class CatchAllController {
  @Get('{*path}')
  everything(): string {
    return 'of the host application';
  }
}

@Module({ controllers: [CatchAllController] })
class CatchAllModule {}

describe('in a host application', () => {
  it('is outside its global prefix, and before its controllers', async () => {
    const authorizationServer = await startAuthorizationServer();
    const upstream = await startUpstream();
    const options = await hostOptions(authorizationServer, upstream, {
      routes: [{ path: '/mcp', upstream: upstream.url, clients: ['bearer'] }],
      bearer: { issuers: [{ issuer: 'https://login.example.com', audience: 'api' }] },
    });
    const imports = [BffModule.forRoot(options), CatchAllModule];
    await using host = await startHostOf(imports, options, (app) => app.setGlobalPrefix('v1'));
    const response = await fetch(`${host.url}${resourcePrefix}/mcp`);
    expect(await response.json()).toMatchObject({ resource: `${host.url}/mcp` });
    expect(await (await fetch(`${host.url}/v1/other`)).text()).toBe('of the host application');
    expect((await fetch(`${host.url}/mcp`)).headers.get('www-authenticate')).toContain(
      `resource_metadata="${host.url}${resourcePrefix}/mcp"`,
    );
    await upstream.close();
    await authorizationServer.close();
  });
});
