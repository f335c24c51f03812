import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { BffModule } from '../bff.module.ts';
import { ConfigurationError } from '../config/load.ts';
import type { Options } from '../config/options.ts';
import { installProxyFastPath } from './proxy-fast-path.ts';
import { HttpAdapter } from './http.adapter.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { ServerLog } from '../telemetry/server-log.service.ts';
import { MANAGEMENT_LISTENS } from '../management/management.service.ts';
import { ProblemFilter, UnexpectedErrorFilter } from '../http/problem.filter.ts';
import { CLOCK, type Clock } from '../clock.ts';
import type { LineStream } from '../telemetry/standard-output.ts';

/** Overrides for tests and workers. */
export interface AppOverrides {
  /** The destination of log lines. Defaults to standard output. */
  readonly logStream?: LineStream;
  /** The clock, in epoch milliseconds. Defaults to the system clock. */
  readonly clock?: Clock;
  /**
   * The number of this worker process, if there are several. A worker does not open the management
   * listener, because the primary does. `undefined` for a single process.
   */
  readonly worker?: number;
}

/**
 * Creates the standalone BFF server. It does not listen yet. Throws `ConfigurationError` for a
 * certificate that cannot be used.
 */
export async function createApp(
  options: Options,
  overrides: AppOverrides = {},
): Promise<NestExpressApplication> {
  const { logStream, worker } = overrides;
  const log = new ServerLog(options.logLevel, logStream, worker);
  const { tls } = options.server;
  const adapter = new HttpAdapter(tls && readTls(tls));
  const root = rootModule(options, overrides);
  const app = await NestFactory.create<NestExpressApplication>(root, adapter, {
    logger: log,
    // Otherwise Nest prints the error and ends the process. The caller does both.
    abortOnError: false,
    // A body parser would consume the bodies that the proxy forwards.
    bodyParser: false,
  });
  installProxyFastPath(app, log);
  if (logStream) app.get(Recorder).watchLog(logStream);
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
    const message =
      `cert and key cannot be used together (${(error as Error).message}); ` +
      'give a PEM certificate and the private key that belongs to it';
    throw new ConfigurationError([{ path: ['server', 'tls'], message }]);
  }
  return options;
}
