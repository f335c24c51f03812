import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { BffModule } from '../bff.module.ts';
import { ConfigurationError } from '../config/load.ts';
import type { Options } from '../config/options.ts';
import { installProxyFastPath } from './proxy-fast-path.ts';
import { HttpAdapter } from './http.adapter.ts';
import { ServerLog } from '../telemetry/server-log.service.ts';
import { MANAGEMENT_LISTENS } from '../management/management.service.ts';
import { ProblemFilter, UnexpectedErrorFilter } from '../http/problem.filter.ts';
import { CLOCK, type Clock } from '../clock.ts';
import type { LineStream } from '../telemetry/standard-output.ts';

/** What a caller may put in the place of the real thing. */
export interface AppOverrides {
  /** Where log lines go. Absent: standard output. */
  readonly logStream?: LineStream;
  /** The time, in epoch milliseconds. Absent: the system's. */
  readonly clock?: Clock;
  /**
   * Which of several processes this is: the operator asks their primary, so it does not listen for
   * them. Absent: there is one.
   */
  readonly worker?: number;
}

/**
 * The BFF as a server of its own. It does not listen yet. Throws `ConfigurationError` for a
 * certificate that cannot be used.
 */
export async function createApp(
  options: Options,
  surroundings: AppOverrides = {},
): Promise<NestExpressApplication> {
  const { logStream, worker } = surroundings;
  const log = new ServerLog(options.logLevel, logStream, worker);
  const { tls } = options.server;
  const adapter = new HttpAdapter(tls && readTls(tls));
  const root = rootModule(options, surroundings);
  const app = await NestFactory.create<NestExpressApplication>(root, adapter, {
    logger: log,
    // Nest would print its own account of what failed and end the process; that is for the caller
    // to do.
    abortOnError: false,
    // A parser would eat the bodies that are to be proxied.
    bodyParser: false,
  });
  installProxyFastPath(app, log);
  app.useGlobalFilters(new UnexpectedErrorFilter(app.get(ProblemFilter)));
  app.disable('x-powered-by');
  app.disable('etag');
  return app;
}

function rootModule(options: Options, { clock, worker }: AppOverrides) {
  const bff = BffModule.withOptions(options);
  const substitutes = [
    ...(clock ? [{ provide: CLOCK, useValue: clock }] : []),
    ...(worker === undefined ? [] : [{ provide: MANAGEMENT_LISTENS, useValue: false }]),
  ];
  return { ...bff, providers: [...(bff.providers ?? []), ...substitutes] };
}

function readTls({ cert, key }: NonNullable<Options['server']['tls']>) {
  const options = {
    cert: readFileSync(cert),
    key: readFileSync(key),
    minVersion: 'TLSv1.2',
  } as const;
  try {
    createSecureContext(options);
  } catch (error) {
    const message = `cert and key cannot be used together (${(error as Error).message}); give a PEM certificate and the private key that belongs to it`;
    throw new ConfigurationError([{ path: ['server', 'tls'], message }]);
  }
  return options;
}
