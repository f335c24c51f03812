/* oxlint-disable typescript/no-extraneous-class -- a NestJS module is a class with nothing in it */
import { providerAt } from '../support/authorization-server/provider-at.ts';
import { Body, Controller, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { json, urlencoded } from 'express';
import { BffModule, type OptionsInput } from '../../src/index.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { TestBrowser } from '../support/browser/browser.ts';
import { freePort } from '../support/network/ports.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { logoutToken, send, signOut, statusesAt, unknownKey } from './logout-tokens.ts';
import { whoIs } from './steps.ts';

const whoAreSignedIn = (browsers: readonly TestBrowser[]) =>
  Promise.all(browsers.map((browser) => whoIs(browser)));

describe('two providers whose users have the same names', () => {
  let partner: AuthorizationServer;
  let bff: TestBff;
  beforeAll(async () => {
    partner = await startAuthorizationServer({ clientId: 'at-partner' });
    bff = await startBff({
      providers: (usual) => [usual, providerAt(partner)],
    });
    partner.registerClient({ redirect_uris: [`${bff.url}/bff/callback/partner`] });
  });
  afterAll(async () => {
    await bff.close();
    await partner.close();
  });

  it('end their own users’ sessions alone', async () => {
    const [here, there] = [await bff.signedIn(), bff.browser()];
    await bff.signIn(there, { provider: 'partner', login_hint: 'alice' });
    expect(await whoAreSignedIn([here, there])).toEqual(['alice', 'alice']);
    expect((await send(bff, await logoutToken(partner, { sub: 'alice' }))).status).toBe(200);
    expect(await whoAreSignedIn([here, there])).toEqual(['alice', undefined]);
    await bff.signIn(there, { provider: 'partner', login_hint: 'alice' });
    expect(await signOut(bff, { sub: 'alice' })).toBe(200);
    expect(await whoAreSignedIn([here, there])).toEqual([undefined, 'alice']);
  });

  it('cannot speak for each other', async () => {
    const here = await bff.signedIn();
    const { issuer: iss, clientId: aud } = bff.authorizationServer;
    partner.transform('jwks', () => ({
      keys: [{ ...unknownKey.publicKey.export({ format: 'jwk' }), kid: 'partners', use: 'sig' }],
    }));
    const partners = { key: unknownKey.privateKey, header: { kid: 'partners' } };
    for (const claims of [{ iss, aud }, { iss }, { aud }, { iss, aud: [aud, 'at-partner'] }]) {
      const token = await logoutToken(partner, { sub: 'alice', ...claims }, partners);
      expect((await send(bff, token)).status).toBe(400);
    }
    expect(await whoAreSignedIn([here])).toEqual(['alice']);
    partner.transform('jwks', undefined);
  });
});

describe('a provider that signs a user out by itself', () => {
  it('ends the session here, and no other one of theirs', async () => {
    await using bff = await startBff({ authorizationServer: { backchannelLogout: true } });
    const [here, elsewhere] = [await bff.signedIn(), await bff.signedIn()];
    const page = await here.navigate(`${bff.authorizationServer.issuer}/session/end`);
    expect(page.body).toBe('Signed out at the authorization server.');
    await waitFor(async () => expect(await statusesAt(bff, here)).toEqual([401, 401]));
    expect(bff.logs.lines).toContainEqual(
      expect.objectContaining({ level: 'info', msg: 'signed out by the provider', sessions: 1 }),
    );
    await expect(whoIs(elsewhere)).resolves.toBe('alice');
    await bff.signedIn('alice', here);
    expect(here.location).toBe(`${bff.url}/`);
    await expect(whoIs(here)).resolves.toBe('alice');
  });
});

describe('in another NestJS application', () => {
  /** A part of the host that reads forms of its own. */
  @Controller('host')
  class FormController {
    @Post('form')
    @HttpCode(200)
    form(@Body() body: unknown) {
      return body;
    }
  }

  it.each<readonly [string, (app: NestExpressApplication) => unknown, boolean]>([
    ['that parses no bodies', () => undefined, false],
    ['that parses all bodies, as NestJS does by default', () => undefined, true],
    [
      'that parses the bodies of its own paths',
      (app) => app.use('/host', urlencoded({ extended: true }), json()),
      false,
    ],
  ])('%s the provider signs people out too', async (_, prepare, bodyParser) => {
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const authorizationServer = await startAuthorizationServer();
    authorizationServer.registerClient({ redirect_uris: [`${url}/auth/callback`] });
    const { issuer, clientId, clientSecret } = authorizationServer;
    const options: OptionsInput = {
      publicUrl: url,
      basePath: '/auth',
      management: { port: await freePort() },
      session: { secrets: ['a session secret for tests, long enough'] },
      providers: [{ id: 'corp', issuer, clientId, clientSecret }],
    };

    @Module({ imports: [BffModule.forRoot(options)], controllers: [FormController] })
    class HostModule {}

    const app = await NestFactory.create<NestExpressApplication>(HostModule, {
      logger: false,
      abortOnError: false,
      bodyParser,
    });
    prepare(app);
    await app.listen(port, '127.0.0.1');
    const browser = new TestBrowser({ origin: url }).via(port);
    await browser.navigate('/auth/login');
    expect((await browser.fetch('/auth/user')).status).toBe(200);

    const post = (path: string, token: string) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        body: new URLSearchParams({ logout_token: token }),
      });
    const token = await logoutToken(authorizationServer, { sub: 'alice' });
    expect((await post('/bff/backchannel', token)).status).toBe(404);
    expect((await post('/host/form', token)).status).toBe(200);
    const response = await post('/auth/backchannel', token);
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect((await browser.fetch('/auth/user')).status).toBe(401);
    const replayed = await post('/auth/backchannel', token);
    expect(replayed.status).toBe(400);
    expect(await replayed.json()).toMatchObject({ code: 'invalid_logout_token' });

    app.getHttpServer().closeAllConnections();
    await app.close();
    await authorizationServer.close();
  });
});
