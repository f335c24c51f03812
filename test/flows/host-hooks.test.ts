/* oxlint-disable typescript/no-extraneous-class -- a NestJS module is a class with nothing in it */
import { type DynamicModule, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  BffError,
  BffModule,
  type OnSignIn,
  NotAllowedException,
  type OptionsInput,
  type SignInUser,
} from '../../src/index.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { TestBrowser } from '../support/browser/browser.ts';
import { freePort } from '../support/network/ports.ts';
import { errorCode } from './steps.ts';

let authorizationServer: AuthorizationServer;
beforeAll(async () => {
  authorizationServer = await startAuthorizationServer();
});
afterAll(() => authorizationServer.close());

async function options(changes: object = {}): Promise<OptionsInput> {
  const port = await freePort();
  const { clientId, clientSecret, issuer } = authorizationServer;
  authorizationServer.registerClient({
    redirect_uris: [`http://localhost:${port}/bff/callback`],
  });
  return {
    publicUrl: `http://localhost:${port}`,
    management: { port: await freePort() },
    session: { secrets: ['a session secret for tests, long enough'] },
    providers: [{ id: 'corp', issuer, clientId, clientSecret }],
    ...changes,
  };
}

/** Starts a host application and signs alice in there. Returns the error code or her claims. */
async function signInAt(bff: DynamicModule, { publicUrl }: OptionsInput): Promise<unknown> {
  @Module({ imports: [bff] })
  class HostModule {}
  const nest = { logger: false, abortOnError: false, bodyParser: false } as const;
  const app = await NestFactory.create<NestExpressApplication>(HostModule, nest);
  const port = Number(new URL(publicUrl).port);
  await app.listen(port, '127.0.0.1');
  try {
    const browser = new TestBrowser({ origin: publicUrl }).via(port);
    const page = await browser.navigate('/bff/login?returnUrl=/bff/providers');
    const user = await browser.fetch('/bff/user');
    return user.status === 200
      ? ((await user.json()) as { claims: unknown }).claims
      : errorCode(page);
  } finally {
    app.getHttpServer().closeAllConnections();
    await app.close();
  }
}

const signInWith = async (onSignIn: OnSignIn) => {
  const input = await options();
  return signInAt(BffModule.forRoot(input, { onSignIn }), input);
};

describe('onSignIn of a host application', () => {
  it('gets the user, and its claims reach the session', async () => {
    const seen: SignInUser[] = [];
    const claims = await signInWith(async (user) => {
      seen.push(user);
      // The user is a copy, so this changes nothing.
      Object.assign(user.claims, { name: 'changed' });
      return { roles: ['admin'], since: new Date(0), email: null, sub: 'mallory' };
    });
    expect(claims).toEqual({
      sub: 'alice',
      name: 'Alice Adams',
      email_verified: true,
      roles: ['admin'],
      since: '1970-01-01T00:00:00.000Z',
    });
    expect(seen).toEqual([
      {
        event: 'sign_in',
        provider: 'corp',
        sub: 'alice',
        claims: expect.objectContaining({ email: 'alice@example.com' }),
      },
    ]);
  });

  it('may return nothing, and without a promise', async () => {
    expect(await signInWith(() => undefined)).toMatchObject({ name: 'Alice Adams' });
  });

  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  it.each([
    [
      'NotAllowedException',
      () => {
        throw new NotAllowedException();
      },
      'not_allowed',
    ],
    [
      'an error',
      () => {
        throw new Error('the database is down');
      },
      'hook_unavailable',
    ],
    [
      'no error at all',
      () => {
        throw undefined;
      },
      'hook_unavailable',
    ],
    [
      'an error of the BFF',
      () => {
        throw new BffError('not_signed_in');
      },
      'hook_unavailable',
    ],
    ['a cycle', () => ({ cyclic }), 'hook_unavailable'],
    ['a bigint', () => ({ id: 1n }), 'hook_unavailable'],
    ['a list', () => [] as never, 'hook_unavailable'],
    ['a function', () => (() => 'x') as never, 'hook_unavailable'],
    ['a large claim', () => ({ big: 'x'.repeat(70_000) }), 'hook_unavailable'],
  ] as [string, OnSignIn, string][])('that ends in %s admits nobody', async (_, onSignIn, code) => {
    expect(await signInWith(onSignIn)).toBe(code);
  });

  it('is made of injected providers with forRootAsync', async () => {
    @Injectable()
    class Users {
      rolesOf = async (sub: string) => [`of ${sub}`];
    }
    @Module({ providers: [Users], exports: [Users] })
    class UsersModule {}
    const input = await options();
    const bff = BffModule.forRootAsync({
      imports: [UsersModule],
      inject: [Users],
      useFactory: () => input,
      useHooks: (users: Users) => ({
        onSignIn: async ({ sub }) => ({ roles: await users.rolesOf(sub) }),
      }),
    });
    expect(await signInAt(bff, input)).toMatchObject({ roles: ['of alice'] });
  });

  it('stops the start beside login.hook', async () => {
    const hook = { url: 'https://users.example.com', token: 't' };
    const input = await options({ login: { hook } });
    const bff = BffModule.forRoot(input, { onSignIn: () => ({}) });
    await expect(signInAt(bff, input)).rejects.toThrow(/login\.hook: is set, and the host/);
  });
});
