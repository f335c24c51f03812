/* oxlint-disable typescript/no-extraneous-class -- a NestJS module is a class with nothing in it */
import { Body, Controller, Get, Injectable, Module, Post, Query, Req } from '@nestjs/common';
import type { Request } from 'express';
import {
  type AccessTokenOptions,
  BffModule,
  BffService,
  type EndSessionsOptions,
  type HostOptions,
} from '../../src/index.ts';
import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import {
  exchangeGrant,
  extraTokenClaims,
  offerTokenExchange,
} from '../support/authorization-server/token-exchange.ts';
import { type Host, hostOptions, startHostOf } from '../support/bff/host.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

const reportsApi = 'https://reports.example.com';
const scopes = ['openid', 'offline_access', 'profile', 'email', 'read', 'write'];

/** Knows nothing of the module but the service. */
@Injectable()
class Reports {
  constructor(private readonly bff: BffService) {}

  tokenFor(request: Request, options: AccessTokenOptions) {
    return this.bff.accessToken(request, options);
  }
}

@Controller('host')
class HostController {
  constructor(
    private readonly tokens: Reports,
    private readonly bff: BffService,
  ) {}

  @Get('token')
  async token(@Req() request: Request, @Query() options: AccessTokenOptions) {
    return { token: await this.tokens.tokenFor(request, options) };
  }

  @Get('user')
  async user(@Req() request: Request) {
    return { user: (await this.bff.user(request)) ?? null };
  }

  @Post('end')
  async end(@Body() options: EndSessionsOptions) {
    return { ended: await this.bff.endSessions(options) };
  }
}

@Module({ controllers: [HostController], providers: [Reports] })
class HostFeature {}

let server: AuthorizationServer;
let upstream: Upstream;

beforeAll(async () => {
  upstream = await startUpstream();
  server = await startAuthorizationServer({
    scopes,
    resources: { [reportsApi]: { scope: 'read write' } },
    accessTokenSeconds: 60,
    configuration: (defaults) => ({ ...defaults, extraTokenClaims }),
    client: {
      grant_types: ['authorization_code', 'refresh_token', exchangeGrant],
      scope: scopes.join(' '),
    },
  });
  offerTokenExchange(server);
});

afterAll(() => Promise.all([server.close(), upstream.close()]));

/** An authorization server of one test. */
async function ownServer(options: AuthorizationServerOptions) {
  const own = await startAuthorizationServer(options);
  return Object.assign(own, { [Symbol.asyncDispose]: () => own.close() });
}

async function start(
  changes: object = {},
  provider: object = {},
  from = server,
  hooks: HostOptions = {},
): Promise<Host> {
  const { providers, ...usual } = await hostOptions(from, upstream, changes);
  const [corp] = providers;
  const input = {
    ...usual,
    providers: [{ ...corp, scopes: ['openid', 'offline_access', 'profile'], ...provider }],
    ...changes,
  } as Awaited<ReturnType<typeof hostOptions>>;
  return startHostOf([BffModule.forRoot(input, hooks), HostFeature], input);
}

async function signedIn(host: Host): Promise<TestBrowser> {
  const browser = host.browser();
  await browser.navigate('/bff/login?returnUrl=/host/user');
  return browser;
}

async function get(browser: TestBrowser, path: string): Promise<[number, Record<string, unknown>]> {
  const response = await browser.fetch(path);
  return [response.status, (await response.json()) as Record<string, unknown>];
}

const tokenAt = async (browser: TestBrowser, query = '') =>
  (await get(browser, `/host/token${query}`))[1]['token'] as string;

const end = async (browser: TestBrowser, body: object) =>
  (await browser.fetch('/host/end', { method: 'POST', body })).json();

/** The claims of a JWT. */
const claimsOf = (jwt: string) =>
  JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as object;

describe('the host gets an access token of the signed-in user', () => {
  const routes = [
    { path: '/api', upstream: '' },
    { path: '/reports', upstream: '', resource: reportsApi, scope: 'read' },
    { path: '/exchanged', upstream: '', exchange: { audience: 'billing', scope: 'read' } },
  ];
  const withRoutes = () => ({
    routes: routes.map((each) => ({ ...each, upstream: upstream.url })),
  });

  it.each([
    ['of the sign-in', '', '/api'],
    ['for a resource', `?resource=${encodeURIComponent(reportsApi)}&scope=read`, '/reports'],
    ['for an audience', '?audience=billing&scope=read', '/exchanged'],
  ])('%s, the same that a route carries, fetched once', async (_, query, route) => {
    await using host = await start(withRoutes());
    const browser = await signedIn(host);
    const before = server.tokenRequests().length;
    const tokens = [await tokenAt(browser, query), await tokenAt(browser, query)];
    await browser.fetch(`${route}/x`);
    tokens.push(String(upstream.last.headers.authorization).slice('Bearer '.length));
    expect(new Set(tokens).size).toBe(1);
    expect(server.tokenRequests().length - before).toBe(query ? 1 : 0);
    expect(query ? claimsOf(tokens[0] ?? '') : { scope: 'read' }).toMatchObject({ scope: 'read' });
  });

  it('that replaces one which has expired', async () => {
    await using brief = await ownServer({ scopes, accessTokenSeconds: 1 });
    await using host = await start({}, {}, brief);
    const browser = await signedIn(host);
    const first = await tokenAt(browser);
    await waitFor(async () => (await tokenAt(browser)) !== first);
    expect(await brief.subjectOf(await tokenAt(browser))).toBe('alice');
  });

  it('only if there is one, and otherwise an error that says why', async () => {
    await using host = await start();
    expect(await get(host.browser(), '/host/token')).toMatchObject([
      401,
      { code: 'not_signed_in', loginUrl: '/bff/login' },
    ]);
    const browser = await signedIn(host);
    expect(await get(browser, '/host/token?audience=forbidden')).toMatchObject([
      403,
      { code: 'token_refused' },
    ]);
    expect(await get(browser, '/host/token?provider=nobody')).toMatchObject([
      404,
      { code: 'unknown_provider' },
    ]);
    server.override('token', (_request, response) => void response.writeHead(503).end());
    expect(await get(browser, '/host/token?audience=other')).toMatchObject([
      503,
      { code: 'provider_unavailable' },
    ]);
    server.override('token', undefined);
  });

  it('but none that is bound to a key', async () => {
    await using dpop = await ownServer({
      dpop: true,
      client: { dpop_bound_access_tokens: true },
    });
    await using host = await start({}, { dpop: true }, dpop);
    const refused: unknown[] = [];
    const browser = await signedIn(host);
    const request = { headers: { cookie: browser.cookieHeader() } };
    await host.app
      .get(BffService, { strict: false })
      .accessToken(request)
      .catch((error: unknown) => refused.push(error));
    expect(String(refused[0])).toContain('Call the API through a route of the BFF');
  });
});

describe('the host knows who is signed in', () => {
  it('without a guard', async () => {
    await using host = await start();
    expect(await get(host.browser(), '/host/user')).toEqual([200, { user: null }]);
    expect(await get(await signedIn(host), '/host/user')).toMatchObject([
      200,
      { user: { sub: 'alice', provider: 'corp', claims: { name: 'Alice Adams' } } },
    ]);
  });
});

describe('the host ends sessions', () => {
  it('of a user, on all devices, and their tokens are revoked', async () => {
    await using host = await start();
    const [one, two] = [await signedIn(host), await signedIn(host)];
    const token = await tokenAt(one);
    const bob = host.browser();
    await bob.navigate('/bff/login?returnUrl=/host/user&login_hint=bob');
    expect(await end(one, { sub: 'nobody' })).toEqual({ ended: 0 });
    expect(await end(one, { sub: 'alice', sid: 'another' })).toEqual({ ended: 0 });
    expect(await end(one, { sub: 'alice', provider: 'corp' })).toEqual({ ended: 2 });
    for (const browser of [one, two]) expect((await get(browser, '/bff/user'))[0]).toBe(401);
    expect((await get(bob, '/bff/user'))[1]).toMatchObject({ sub: 'bob' });
    await waitFor(async () => (await server.subjectOf(token)) === undefined);
    expect(await end(bob, { sub: 'bob' })).toEqual({ ended: 1 });
  });
});

describe('a host brings its own store', () => {
  it('which has the sessions, and is closed with the application', async () => {
    const created: string[] = [];
    const closed: boolean[] = [];
    class OwnStore extends MemoryKeyValueStore {
      override async create(key: string, value: string, ttl: number): Promise<boolean> {
        created.push(key.split(':')[0] ?? '');
        return super.create(key, value, ttl);
      }

      override async close(): Promise<void> {
        closed.push(true);
      }
    }
    const own = new OwnStore();
    const host = await start({}, {}, server, { store: own });
    await signedIn(host);
    expect(created).toEqual(['login', 'session']);
    await host[Symbol.asyncDispose]();
    expect(closed).toEqual([true]);
  });

  it('only instead of Redis', async () => {
    const changes = { redis: { url: 'redis://localhost:1' } };
    const started = start(changes, {}, server, { store: new MemoryKeyValueStore() });
    await expect(started).rejects.toThrow('Remove redis from the options');
  });
});
