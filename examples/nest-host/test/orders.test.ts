import 'reflect-metadata';
import { deepEqual, equal } from 'node:assert/strict';
import type { Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { Global, type INestApplication, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { BffService, SignedInGuard, signedInAs } from 'pixie-bff';
import request from 'supertest';
import { configure } from '../src/configure.ts';
import { OrdersModule } from '../src/orders/orders.module.ts';

const bff = { accessToken: async () => 'token' };

/** Stands for `BffModule`, which is global too. */
@Global()
@Module({ providers: [{ provide: BffService, useValue: bff }], exports: [BffService] })
class FakeBffModule {}

/** The orders without a provider: every request is one of this user. */
async function startAs(user: Parameters<typeof signedInAs>[0]): Promise<INestApplication<Server>> {
  const module = await Test.createTestingModule({
    imports: [FakeBffModule, OrdersModule],
  })
    .overrideGuard(SignedInGuard)
    .useValue(signedInAs(user))
    .compile();
  const app = module.createNestApplication<INestApplication<Server>>({ logger: false });
  configure(app);
  return app.init();
}

describe('orders', () => {
  let app: INestApplication<Server>;

  before(async () => {
    app = await startAs({ sub: 'alice', claims: { roles: ['staff'] } });
  });

  after(() => app.close());

  it('are created and listed', async () => {
    const order = { article: 'bread', amount: 2 };
    const created = await request(app.getHttpServer()).post('/v1/orders').send(order);
    deepEqual([created.status, created.body], [201, { by: 'alice', ...order }]);
    const listed = await request(app.getHttpServer()).get('/v1/orders');
    deepEqual([listed.status, listed.body], [200, [{ by: 'alice', ...order }]]);
  });

  it('are validated', async () => {
    const refused = await request(app.getHttpServer()).post('/v1/orders').send({ amount: 0 });
    equal(refused.status, 400);
    deepEqual(refused.body.message, ['article must be a string', 'amount must not be less than 1']);
  });

  it('are removed by administrators only', async () => {
    equal((await request(app.getHttpServer()).delete('/v1/orders')).status, 403);
    const other = await startAs({ claims: { roles: ['admin'] } });
    equal((await request(other.getHttpServer()).delete('/v1/orders')).status, 200);
    await other.close();
  });

  it('are not for those who are signed out', async () => {
    const signedOut = await startAs(undefined);
    equal((await request(signedOut.getHttpServer()).get('/v1/orders')).status, 401);
    await signedOut.close();
  });
});
