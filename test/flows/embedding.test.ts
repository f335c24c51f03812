/* oxlint-disable typescript/no-extraneous-class -- a NestJS module is a class with nothing in it */
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type DynamicModule,
  Get,
  Injectable,
  Module,
  type NestApplicationOptions,
  NotFoundException,
  UseGuards,
  VersioningType,
} from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { RequestHandler, Response } from 'express';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import {
  BffError,
  BffModule,
  ConfigurationError,
  CurrentUser,
  type OptionsInput,
  Require,
  SignedInGuard,
  type SignInRule,
  type User,
} from '../../src/index.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import {
  createHost,
  type Host,
  hostOptions,
  type Prepare,
  startHostOf,
} from '../support/bff/host.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { acceptWebSockets, openWebSocket, refusalOf } from '../support/network/web-sockets.ts';

const secrets = ['a session secret for tests, long enough'];

let authorizationServer: AuthorizationServer;
let upstream: Upstream;

beforeAll(async () => {
  authorizationServer = await startAuthorizationServer();
  upstream = await startUpstream();
});

afterAll(() => Promise.all([authorizationServer.close(), upstream.close()]));

/**
 * A part of the host application that knows nothing of the module but the guard and the decorator.
 */
@Controller('host')
class HostController {
  @Get('open')
  open() {
    return { open: true };
  }

  @Get('me')
  @UseGuards(SignedInGuard)
  me(@CurrentUser() user: User) {
    return user;
  }

  @Get('alice')
  @Require({ claim: 'sub', equals: 'alice' })
  alice() {
    return 'alice';
  }

  @Get('missing')
  missing() {
    throw new NotFoundException('the host says so');
  }

  @Get('bug')
  bug() {
    throw new TypeError('the bug of the host');
  }
}

/** Rules of the class, of its handlers and of several decorators, without a guard beside them. */
@Require({ claim: 'email', emailDomain: ['example.com'] })
@Controller('ruled')
class RuledController {
  @Get()
  anyone(@CurrentUser() user: User) {
    return user.sub;
  }

  @Require({ claim: 'name', exists: true })
  @Get('alice')
  @Require({ claim: 'sub', equals: 'alice' })
  alice() {
    return 'alice';
  }
}

@Controller('derived')
class DerivedController extends RuledController {}

@Module({ controllers: [HostController, RuledController, DerivedController] })
class HostFeature {}

const options = (changes?: object) => hostOptions(authorizationServer, upstream, changes);

/** Starts a host application around the module. */
function startHost(
  bff: DynamicModule,
  input: OptionsInput,
  prepare?: Prepare,
  nest: NestApplicationOptions = { bodyParser: false },
): Promise<Host> {
  return startHostOf([bff, HostFeature], input, prepare, nest);
}

/** Under the name by which Express knows its own. */
const jsonParser: RequestHandler = (_request, _response, next) => next();

async function json(response: Response | globalThis.Response): Promise<unknown> {
  return (response as globalThis.Response).json();
}

describe('in another NestJS application', () => {
  it('people sign in, the guard admits them, and the decorator says who they are', async () => {
    const input = await options();
    await using host = await startHost(BffModule.forRoot(input), input);
    const browser = host.browser();
    const refused = await browser.fetch('/host/me');
    expect([refused.status, refused.headers.get('content-type')]).toEqual([
      401,
      'application/problem+json; charset=utf-8',
    ]);
    expect(await json(refused)).toMatchObject({ code: 'not_signed_in', loginUrl: '/bff/login' });
    await browser.navigate('/bff/login?returnUrl=/host/open');
    expect(browser.location).toBe(`${host.url}/host/open`);
    const me = await browser.fetch('/host/me');
    expect(await json(me)).toEqual({
      sub: 'alice',
      provider: 'corp',
      claims: expect.objectContaining({ name: 'Alice Adams' }),
    });
    const forged = await browser.fetch('/host/me', { csrf: false });
    expect([forged.status, ((await json(forged)) as { code: string }).code]).toEqual([403, 'csrf']);
    const call = await browser.fetch('/api/notes', { method: 'POST', body: { text: 'whole' } });
    expect(await json(call)).toMatchObject({ method: 'POST', body: '{"text":"whole"}' });
  });

  it('rules of controllers refuse whom they do not admit', async () => {
    const input = await options();
    const refusals: string[] = [];
    await using host = await startHost(BffModule.forRoot(input), input);
    const { people } = authorizationServer;
    people['mallory'] = { name: 'M', email: 'm@evil.example', email_verified: true };
    const call = async (browser: TestBrowser, path: string) => {
      const answered = await browser.fetch(path);
      const body = await answered.text();
      if (answered.status === 403) refusals.push(body);
      const { code, claim } = answered.status < 400 ? {} : JSON.parse(body);
      return [answered.status, code, claim].filter(Boolean);
    };
    const as = async (person: string) => {
      const browser = host.browser();
      await browser.navigate(`/bff/login?returnUrl=/host/open&login_hint=${person}`);
      return browser;
    };
    const [alice, bob, mallory] = [await as('alice'), await as('bob'), await as('mallory')];
    for (const path of ['/ruled', '/derived']) {
      expect(await call(host.browser(), path)).toEqual([401, 'not_signed_in']);
      expect(await call(alice, path)).toEqual([200]);
      expect(await call(bob, path)).toEqual([200]);
      expect(await call(mallory, path)).toEqual([403, 'not_allowed', 'email']);
      expect(await call(alice, `${path}/alice`)).toEqual([200]);
      expect(await call(bob, `${path}/alice`)).toEqual([403, 'not_allowed', 'sub']);
      expect(await call(mallory, `${path}/alice`)).toEqual([403, 'not_allowed', 'email']);
    }
    expect(await call(host.browser(), '/host/alice')).toEqual([401, 'not_signed_in']);
    expect(await call(alice, '/host/alice')).toEqual([200]);
    expect(await call(bob, '/host/alice')).toEqual([403, 'not_allowed', 'sub']);
    expect(refusals.join()).not.toMatch(/evil|example\.com|loginUrl/);
    const forged = await alice.fetch('/ruled', { csrf: false });
    expect([forged.status, ((await json(forged)) as { code: string }).code]).toEqual([403, 'csrf']);
  });

  it('a claim that rules of controllers name is looked for at UserInfo', async () => {
    const input = await options();
    await using host = await startHost(BffModule.forRoot(input), input);
    const { people } = authorizationServer;
    people['dave'] = { name: 'Dave', email: 'dave@example.com', email_verified: true };
    const askedFor = async (person: string) => {
      const before = authorizationServer.requestsTo('userinfo').length;
      await host.browser().navigate(`/bff/login?login_hint=${person}`);
      return authorizationServer.requestsTo('userinfo').length - before;
    };
    expect(await askedFor('dave')).toBe(0);
    people['nameless'] = { given_name: 'N', email: 'n@example.com', email_verified: true };
    expect(await askedFor('nameless')).toBe(1);
  });

  it.each<[readonly unknown[], string]>([
    [[], '@Require(): is empty, so it refuses no one; add an entry or remove it'],
    [[{ claim: 'a' }], '@Require()[0]: needs any, all, equals, exists or emailDomain'],
    [
      [
        { claim: 'a', exists: true },
        { claim: 'b', equal: 1 },
      ],
      '@Require()[1].equal: is not an option; did you mean equals?',
    ],
    [
      [{ claim: 'a', exists: true, methods: ['GET'] }],
      '@Require()[0].methods: is possible on routes only',
    ],
  ])('a controller with the rules %j does not start', (rules, mistake) => {
    const apply = () => Require(...(rules as SignInRule[]));
    expect(apply).toThrow(ConfigurationError);
    expect(apply).toThrow(mistake);
  });

  it('what is the host’s stays the host’s', async () => {
    const input = await options();
    await using host = await startHost(BffModule.forRoot(input), input);
    const get = async (path: string) => {
      const response = await fetch(host.url + path);
      return [
        response.status,
        response.headers.get('content-type')?.split(';')[0],
        await json(response),
      ];
    };
    expect(await get('/host/open')).toEqual([200, 'application/json', { open: true }]);
    expect(await get('/host/missing')).toEqual([
      404,
      'application/json',
      { statusCode: 404, error: 'Not Found', message: 'the host says so' },
    ]);
    expect(await get('/host/bug')).toMatchObject([500, 'application/json', { statusCode: 500 }]);
    expect(await get('/nowhere')).toMatchObject([404, 'application/json', { statusCode: 404 }]);
    expect(await get('/bff/nowhere')).toMatchObject([
      404,
      'application/problem+json',
      { code: 'not_found' },
    ]);
  });

  it('another spelling of our paths is refused, of its own paths left to it', async () => {
    const input = await options();
    await using host = await startHost(BffModule.forRoot(input), input);
    const statusOf = async (path: string) => (await host.browser().fetch(path)).status;
    upstream.requests.length = 0;
    for (const path of ['/BFF/user', '/bff;x/user', '/Api/x', '/api%20/x'])
      expect([path, await statusOf(path)]).toEqual([path, 400]);
    expect(upstream.requests).toEqual([]);
    expect(await statusOf('/HOST/open')).toBe(200);
  });

  it('takes its options from a factory that the host injects into', async () => {
    const input = await options();

    @Injectable()
    class Settings {
      readonly bff = input;
    }
    const SUFFIX = Symbol('suffix');

    @Module({
      providers: [Settings, { provide: SUFFIX, useValue: 'x' }],
      exports: [Settings, SUFFIX],
    })
    class SettingsModule {}

    const bff = BffModule.forRootAsync({
      imports: [SettingsModule],
      inject: [Settings, SUFFIX],
      useFactory: async (settings: Settings, suffix: string) => ({
        ...settings.bff,
        session: { secrets, cookieName: `host-${suffix}` },
      }),
    });
    await using host = await startHost(bff, input);
    const browser = host.browser();
    await browser.navigate('/bff/login');
    expect(browser.cookies().map(({ name }) => name)).toContain('host-x');
    expect((await browser.fetch('/host/me')).status).toBe(200);
  });

  it.each([
    ['forRoot', (input: OptionsInput) => BffModule.forRoot(input)],
    [
      'forRootAsync',
      (input: OptionsInput) => {
        const { basePath: _, ...rest } = input;
        return BffModule.forRootAsync({ basePath: '/auth', useFactory: () => rest });
      },
    ],
  ])('%s can put the endpoints below another path, and /bff is free then', async (_, module) => {
    const input = await options({ basePath: '/auth' });
    await using host = await startHost(module(input), input);
    const browser = host.browser();
    await browser.navigate('/auth/login?returnUrl=/host/open');
    expect(browser.location).toBe(`${host.url}/host/open`);
    expect(await json(await browser.fetch('/auth/user'))).toMatchObject({
      sub: 'alice',
      logoutUrl: expect.stringMatching(/^\/auth\/logout\?sid=/),
    });
    for (const path of ['/bff/login', '/bff/user']) {
      const response = await browser.fetch(path);
      expect(await json(response)).toMatchObject({
        statusCode: 404,
        message: `Cannot GET ${path}`,
      });
    }
  });

  it('refuses a base path that comes too late, instead of not obeying it', async () => {
    const input = await options({ basePath: '/auth' });
    const bff = BffModule.forRootAsync({ useFactory: () => input });
    await expect(startHost(bff, input)).rejects.toThrow(
      'basePath: is /auth, but must be given beside useFactory, not by it',
    );
  });

  it('names every mistake in its options, before or at the start', async () => {
    const input = { ...(await options()), publicUrl: 'nonsense', providers: [] } as OptionsInput;
    expect(() => BffModule.forRoot(input)).toThrow(ConfigurationError);
    const asynchronous = BffModule.forRootAsync({ useFactory: () => input });
    await expect(startHost(asynchronous, await options())).rejects.toMatchObject({
      mistakes: [{ path: 'publicUrl' }, { path: 'providers' }],
    });
  });

  it('forwards whole bodies although the host has a body parser for all paths', async () => {
    const input = await options();
    const prepare = (app: NestExpressApplication) => app.useBodyParser('text');
    await using host = await startHost(BffModule.forRoot(input), input, prepare, {});
    const browser = host.browser();
    await browser.navigate('/bff/login?returnUrl=/host/open');
    for (const text of ['whole', 'x'.repeat(500_000)]) {
      const call = await browser.fetch('/api/notes', { method: 'POST', body: { text } });
      expect(await json(call)).toMatchObject({ method: 'POST', body: JSON.stringify({ text }) });
    }
    expect((await browser.fetch('/bff/logout', { method: 'POST' })).status).toBe(200);
  });

  it('starts beside a body parser for the host’s own paths', async () => {
    const input = await options();
    await using host = await startHost(BffModule.forRoot(input), input, (app) =>
      app.use('/host', jsonParser),
    );
    expect((await fetch(`${host.url}/host/open`)).status).toBe(200);
  });

  it('says of a taken management port which option that is', async () => {
    const input = await options();
    const taken = { ...input, management: { port: upstream.port } };
    await expect(startHost(BffModule.forRoot(taken), taken)).rejects.toThrow(
      `management.port: 127.0.0.1:${upstream.port} is taken`,
    );
  });
});

describe('a host with a global prefix', () => {
  const versioned = (app: NestExpressApplication) => {
    app.setGlobalPrefix('v');
    app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
  };

  it.each<[string, (app: NestExpressApplication) => void, string, string]>([
    ['alone', (app) => app.setGlobalPrefix('v'), '/bff', '/v/host'],
    ['and another base path', (app) => app.setGlobalPrefix('v'), '/auth.d/bff', '/v/host'],
    [
      'and exceptions of its own',
      (app) => app.setGlobalPrefix('v', { exclude: ['host/open'] }),
      '/bff',
      '/v/host',
    ],
    ['and versions in its paths', versioned, '/bff', '/v/v1/host'],
  ])('%s keeps the whole pipeline (global prefix bypass)', async (_, prepare, basePath, home) => {
    const input = await options({ basePath });
    await using host = await startHost(BffModule.forRoot(input), input, prepare);
    const browser = host.browser();
    expect((await browser.fetch(`${basePath}/user`)).status).toBe(401);
    const page = await browser.navigate(`${host.url}${basePath}/login?login_hint=alice`);
    expect(page.url).toBe(`${host.url}/`);

    const user = await browser.fetch(`${basePath}/user`);
    expect([user.status, user.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(user.headers.get('x-content-type-options')).toBe('nosniff');
    const forged = await browser.fetch(`${basePath}/user`, { headers: { 'x-csrf': null } });
    expect([forged.status, await json(forged)]).toMatchObject([403, { code: 'csrf' }]);
    const called = await browser.fetch('/api/orders');
    expect([called.status, upstream.last.headers.authorization]).toEqual([
      200,
      expect.stringMatching(/^Bearer /),
    ]);
    const dots = await browser.fetch('/api/%252e%252e/x');
    expect([dots.status, await json(dots)]).toMatchObject([400, { code: 'bad_path' }]);
    const unknown = await browser.fetch(`${basePath}/nowhere`);
    expect([unknown.status, await json(unknown)]).toMatchObject([404, { code: 'not_found' }]);

    const me = await browser.fetch(`${home}/me`);
    expect([me.status, await json(me)]).toMatchObject([200, { sub: 'alice' }]);
    expect((await browser.fetch(`/v${basePath}/user`)).status).toBe(404);
    const body = { method: 'POST' };
    expect((await browser.fetch(`${basePath}/logout`, body)).status).toBe(200);
  });

  it.each([
    ['/auth', 'x', 'A controller of the application is at /auth/user'],
    ['/bff', 'bff', 'setGlobalPrefix() puts all controllers below /bff'],
    ['/bff', '/BFF/v1', 'setGlobalPrefix() puts all controllers below /bff/v1'],
    ['/bff', 'api', 'which the BFF has for /api'],
  ])(
    'with basePath %s and prefix %s does not start, and says why',
    async (basePath, prefix, why) => {
      @Controller('auth')
      class HostAuthController {
        @Get('user')
        user() {
          return { host: true };
        }
      }
      const bff = BffModule.forRoot(await options({ basePath }));
      @Module({ imports: [bff], controllers: [HostAuthController] })
      class HostModule {}
      const app = await createHost(HostModule, { bodyParser: false });
      app.setGlobalPrefix(prefix);
      await expect(app.init()).rejects.toThrow(why);
      await app.close();
    },
  );

  it('moves no controller of the host that only begins like basePath', async () => {
    @Controller('auth')
    class HostAuthController {
      @Get('profile')
      profile() {
        return { host: true };
      }
    }
    @Module({ controllers: [HostAuthController] })
    class HostAuth {}
    const input = await options({ basePath: '/auth' });
    const bff = BffModule.forRoot(input);
    const withAuth = { ...bff, imports: [...(bff.imports ?? []), HostAuth] };
    await using host = await startHost(withAuth, input, (app) => app.setGlobalPrefix('x'));
    expect(await json(await fetch(`${host.url}/x/auth/profile`))).toEqual({ host: true });
    expect((await fetch(`${host.url}/auth/profile`)).status).toBe(404);
  });

  it('takes its options from a factory too, and serves the frontend', async () => {
    const input = await options({ frontend: { url: upstream.url } });
    const bff = BffModule.forRootAsync({ useFactory: () => input });
    await using host = await startHost(bff, input, (app) => app.setGlobalPrefix('/v/'));
    const page = await fetch(`${host.url}/page`);
    expect([page.status, upstream.last.url]).toEqual([200, '/page']);
    expect((await fetch(`${host.url}/bff/user`)).status).toBe(403);
  });
});

describe('WebSockets of a host', () => {
  const lastWord = 'HTTP/1.1 418 Host\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

  it('stay the host’s, and those of our routes are ours', async () => {
    const input = await options({
      routes: [{ path: '/open', upstream: upstream.url, token: 'none' }],
    });
    acceptWebSockets(upstream);
    await using host = await startHost(BffModule.forRoot(input), input, (app) => {
      app.getHttpServer().on('upgrade', (request: IncomingMessage, socket: Socket) => {
        if (!request.url?.startsWith('/open/x')) socket.end(lastWord);
      });
    });
    const target = { url: host.url, port: Number(new URL(host.url).port) };
    const page = await openWebSocket(target, undefined, { path: '/open/x' });
    page.socket.send('hello');
    expect(await page.hears(1)).toEqual(['hello']);
    for (const path of ['/host/socket', '/bff/user', '/open/%2e%2e%2fhost', '/nowhere']) {
      expect(await refusalOf(openWebSocket(target, undefined, { path }))).toEqual([418, undefined]);
    }
    await host.app.close();
    expect((await page.ended).code).toBe(1001);
  });

  it('are refused where neither of us wants them', async () => {
    const input = await options();
    await using host = await startHost(BffModule.forRoot(input), input);
    const target = { url: host.url, port: Number(new URL(host.url).port) };
    const opened = openWebSocket(target, undefined, { path: '/host/open' });
    expect(await refusalOf(opened)).toEqual([404, 'not_found']);
  });
});

describe('a host that catches everything itself', () => {
  @Catch()
  class CatchAll extends BaseExceptionFilter {
    override catch(error: unknown, host: ArgumentsHost): void {
      host
        .switchToHttp()
        .getResponse<Response>()
        .setHeader('x-caught', String(error instanceof BffError));
      super.catch(error, host);
    }
  }

  it('gets our errors with the status and the sentence they stand for', async () => {
    const input = await options();
    await using host = await startHost(BffModule.forRoot(input), input, (app) =>
      app.useGlobalFilters(new CatchAll(app.getHttpAdapter())),
    );
    const response = await fetch(`${host.url}/host/me`, { headers: { 'x-csrf': '1' } });
    expect([response.status, response.headers.get('x-caught')]).toEqual([401, 'true']);
    expect(await json(response)).toEqual({ statusCode: 401, message: 'You are not signed in.' });
  });
});
