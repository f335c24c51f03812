import 'reflect-metadata';
import { deepEqual, equal, match } from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import request from 'supertest';

/** The whole application with the real BFF. The provider is not asked for anything here. */
describe('the application', () => {
  let app: INestApplication<Server>;
  let api: Server;

  before(async () => {
    api = createServer((_request, response) => response.end('api')).listen(0, '127.0.0.1');
    await new Promise((resolve) => api.once('listening', resolve));
    process.env['API_URL'] = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    process.env['MANAGEMENT_PORT'] = '9321';
    const { AppModule } = await import('../src/app.module.ts');
    const { configure } = await import('../src/configure.ts');
    app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
    configure(app);
    await app.init();
  });

  after(async () => {
    await app.close();
    api.close();
  });

  const get = (path: string, headers = {}) =>
    request(app.getHttpServer()).get(path).set(headers).redirects(0);
  const page = { accept: 'text/html' };

  it('has its controllers below the prefix, for signed-in users', async () => {
    const { status, body } = await get('/v1/orders', { 'x-csrf': '1' });
    deepEqual([status, body.code, body.loginUrl], [401, 'not_signed_in', '/bff/login']);
    equal((await get('/v1/orders')).body.code, 'csrf');
    equal((await get('/v1/nowhere', page)).status, 404);
  });

  it('has the endpoints of the BFF and its routes', async () => {
    equal((await get('/bff/user', { 'x-csrf': '1' })).body.code, 'not_signed_in');
    equal((await get('/api/x', { 'x-csrf': '1' })).body.code, 'not_signed_in');
  });

  it('has a frontend for everything else', async () => {
    for (const path of ['/', '/settings']) match((await get(path, page)).text, /<title>Shop</);
    equal((await get('/missing.js')).status, 404);
  });

  it('has an API description', async () => {
    match((await get('/docs', page)).text, /swagger-ui/i);
    const { body } = await get('/docs-json');
    deepEqual(Object.keys(body.paths).toSorted(), ['/v1/orders', '/v1/reports']);
  });
});
