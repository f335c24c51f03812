/* oxlint-disable typescript/no-extraneous-class -- a NestJS module is a class with nothing in it */
import {
  Module,
  type ModuleMetadata,
  type NestApplicationOptions,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { OptionsInput } from '../../../src/index.ts';
import type { AuthorizationServer } from '../authorization-server/authorization-server.ts';
import { TestBrowser } from '../browser/browser.ts';
import { freePort } from '../network/ports.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** A running host application with `BffModule` in it. */
export interface Host extends AsyncDisposable {
  readonly url: string;
  readonly app: NestExpressApplication;
  browser(): TestBrowser;
}

/** Changes to a host application before it listens. */
export type Prepare = (app: NestExpressApplication) => unknown;

/** Options of `BffModule.forRoot` for a port of their own, with a provider and a route. */
export async function hostOptions(
  authorizationServer: AuthorizationServer,
  upstream: Upstream,
  changes: object = {},
): Promise<OptionsInput> {
  const port = await freePort();
  const basePath = (changes as OptionsInput).basePath ?? '/bff';
  authorizationServer.registerClient({
    redirect_uris: [`http://localhost:${port}${basePath}/callback`],
    post_logout_redirect_uris: [`http://localhost:${port}${basePath}/logout/callback`],
  });
  return {
    publicUrl: `http://localhost:${port}`,
    management: { port: await freePort() },
    session: { secrets: ['a session secret for tests, long enough'] },
    providers: [
      {
        id: 'corp',
        issuer: authorizationServer.issuer,
        clientId: authorizationServer.clientId,
        clientSecret: authorizationServer.clientSecret,
      },
    ],
    routes: [{ path: '/api', upstream: upstream.url }],
    ...changes,
  };
}

/** Starts a host application that imports these modules. */
export async function startHostOf(
  imports: NonNullable<ModuleMetadata['imports']>,
  { publicUrl }: OptionsInput,
  prepare: Prepare = () => {},
  nest: NestApplicationOptions = {},
): Promise<Host> {
  @Module({ imports })
  class HostModule {}
  const app = await createHost(HostModule, nest);
  await prepare(app);
  await app.listen(new URL(publicUrl).port, '127.0.0.1');
  const close = async () => {
    app.getHttpServer().closeAllConnections();
    await app.close();
  };
  return {
    url: publicUrl,
    app,
    browser: () => new TestBrowser({ origin: publicUrl }).via(Number(new URL(publicUrl).port)),
    [Symbol.asyncDispose]: close,
  };
}

/** Creates a host application that neither logs nor exits, and does not start it. */
export function createHost(
  module: Type,
  nest: NestApplicationOptions = {},
): Promise<NestExpressApplication> {
  return NestFactory.create(module, { logger: false, abortOnError: false, ...nest });
}
