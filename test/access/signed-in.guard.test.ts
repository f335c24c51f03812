/* oxlint-disable typescript/no-extraneous-class -- a NestJS module is a class with nothing in it */
import { type CanActivate, Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { Server } from 'node:http';
import request from 'supertest';
import { type User, userOf } from '../../src/access/user.ts';
import { BffError, CurrentUser, Require, SignedInGuard, signedInAs } from '../../src/index.ts';
import type { AccessService } from '../../src/access/access.service.ts';
import type { SessionRoomOptions } from '../../src/session/session-options.ts';
import type { SessionReaderService } from '../../src/session/sessions/session-reader.service.ts';

const publicUrl = 'https://app.example.com';
const options = { publicUrl, csrf: { header: 'X-CSRF', value: '1' } } as SessionRoomOptions;
const access = {} as AccessService;
const alice = { sub: 'alice', provider: 'corp', claims: { name: 'Alice' } };

class HostModule {}

/** A guard that knows one session. `renewals` counts the reads that renew its idle time. */
function guardOf() {
  const find = (cookie: string | undefined) => (cookie === 'session' ? alice : undefined);
  const reads = { renewals: 0 };
  const reader = {
    read: (cookie: string | undefined) => {
      reads.renewals += 1;
      return find(cookie);
    },
    peek: find,
  } as unknown as SessionReaderService;
  return { guard: new SignedInGuard(reader, options, access), reads };
}

function contextOf(type: string, args: unknown[]): ExecutionContextHost {
  const context = new ExecutionContextHost(args, HostModule, contextOf);
  context.setType(type);
  return context;
}

const cookie = 'session';
const called = { headers: { cookie, 'x-csrf': '1' } };
const opened = { headers: { cookie, origin: publicUrl, upgrade: 'websocket' } };
const polled = { headers: { cookie, 'sec-fetch-site': 'same-origin' } };
const foreign = { headers: { ...opened.headers, origin: 'https://evil.example' } };

/** Like the clients of socket.io, whose request is a property of the class. */
class SocketClient {
  constructor(private readonly opening: object) {}

  get request() {
    return this.opening;
  }
}

describe('the guard admits who is signed in, and makes them the user of the request:', () => {
  it.each<[string, string, unknown[], object, number]>([
    ['a controller', 'http', [called, {}], called, 1],
    ['a resolver', 'graphql', [{}, {}, { req: called }, {}], called, 1],
    ['a subscription', 'graphql', [{}, {}, { req: opened }, {}], opened, 0],
    ['a subscription’s handshake', 'graphql', [0, 0, { extra: { request: opened } }], opened, 0],
    ['a gateway with ws', 'ws', [{ request: opened }, {}], opened, 0],
    ['a gateway with socket.io', 'ws', [new SocketClient(opened), {}], opened, 0],
    ['a gateway with polling', 'ws', [{ handshake: polled }, {}], polled, 0],
  ])('%s', async (_, type, args, head, renewals) => {
    const { guard, reads } = guardOf();
    await expect(guard.canActivate(contextOf(type, args))).resolves.toBe(true);
    expect([userOf(head), reads.renewals]).toEqual([alice, renewals]);
  });
});

describe('the guard refuses', () => {
  it.each<[string, string, unknown[], string]>([
    ['a call without the CSRF header', 'http', [opened, {}], 'csrf'],
    ['a mutation without it', 'graphql', [0, 0, { req: polled }], 'csrf'],
    ['a foreign handshake', 'ws', [{ request: foreign }], 'csrf'],
    ['a foreign subscription', 'graphql', [0, 0, { req: foreign }], 'csrf'],
    ['a handshake without an origin', 'ws', [{ request: { headers: { cookie } } }], 'csrf'],
    [
      'signed-out clients',
      'ws',
      [{ request: { headers: { origin: publicUrl } } }],
      'not_signed_in',
    ],
  ])('%s', async (_, type, args, code) => {
    const refused = guardOf().guard.canActivate(contextOf(type, args));
    await expect(refused).rejects.toMatchObject({ code });
  });

  it.each<[string, unknown[], RegExp]>([
    ['graphql', [0, 0, {}], /give GraphQLModule context: \(\{ req, extra \}\)/],
    ['graphql', [0, 0, undefined], /give GraphQLModule context/],
    ['ws', [{}], /handleConnection\(client, request\) \{ client\.request = request; \}/],
    ['rpc', [{}], /does not work for "rpc".*remove it from this handler/],
  ])('%s handlers without a request, and names the remedy', async (type, args, remedy) => {
    await expect(guardOf().guard.canActivate(contextOf(type, args))).rejects.toThrow(remedy);
  });
});

describe('a test of a guarded controller, without a provider,', () => {
  interface Staff {
    readonly roles: readonly string[];
  }

  /** The response of a handler behind this guard. */
  async function answerBehind(guard: CanActivate) {
    @UseGuards(guard)
    @Controller('staff')
    class StaffController {
      @Get()
      me(@CurrentUser<Staff>() { sub, claims }: User<Staff>) {
        return { sub, roles: claims.roles };
      }
    }
    @Module({ controllers: [StaffController] })
    class StaffModule {}
    const app = await NestFactory.create(StaffModule, { logger: false, abortOnError: false });
    await app.init();
    const { status, body } = await request(app.getHttpServer() as Server).get('/staff');
    await app.close();
    return [status, body];
  }

  it('has the user that it names', async () => {
    const guard = signedInAs({ sub: 'alice', claims: { roles: ['admin'] } });
    expect(await answerBehind(guard)).toEqual([200, { sub: 'alice', roles: ['admin'] }]);
  });

  it('applies the rules of @Require to its claims', () => {
    @Require({ claim: 'roles', any: ['admin'] })
    class RuledController {}
    const context = new ExecutionContextHost([called], RuledController, contextOf);
    expect(signedInAs({ claims: { roles: ['admin'] } }).canActivate(context)).toBe(true);
    const refused = () => signedInAs({ claims: { roles: ['staff'] } }).canActivate(context);
    expect(refused).toThrow(expect.objectContaining({ code: 'not_allowed' }));
  });

  it('can be signed out', async () => {
    const { message } = new BffError('not_signed_in');
    expect(await answerBehind(signedInAs(undefined))).toEqual([401, { statusCode: 401, message }]);
  });
});
