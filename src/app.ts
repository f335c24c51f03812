import { readFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Logger, LoggerModule } from 'nestjs-pino';
import type { DestinationStream } from 'pino';
import { BffModule } from './bff.module.ts';
import type { Options } from './config/options.ts';
import { logParams } from './log.ts';
import { ProblemFilter, UnexpectedErrorFilter } from './problem.filter.ts';
import { CLOCK, type Clock } from './session/clock.ts';

/** What a caller may put in the place of the real thing. */
export interface AppSurroundings {
  /** Where log lines go. Absent: standard output. */
  readonly logStream?: DestinationStream;
  /** The time, in epoch milliseconds. Absent: the system's. */
  readonly clock?: Clock;
}

/** The BFF as a server of its own. It does not listen yet. */
export async function createApp(
  options: Options,
  { logStream, clock }: AppSurroundings = {},
): Promise<NestExpressApplication> {
  const bff = BffModule.withOptions(options);
  const app = await NestFactory.create<NestExpressApplication>(
    {
      ...bff,
      imports: [
        ...(bff.imports ?? []),
        LoggerModule.forRoot(logParams(options.logLevel, logStream)),
      ],
      providers: [
        ...(bff.providers ?? []),
        ...(clock ? [{ provide: CLOCK, useValue: clock }] : []),
      ],
    },
    {
      bufferLogs: true,
      // A parser would eat the bodies that are to be proxied.
      bodyParser: false,
      ...(options.server.tls && { httpsOptions: readTls(options.server.tls) }),
    },
  );
  app.useLogger(app.get(Logger));
  app.useGlobalFilters(new UnexpectedErrorFilter(app.get(ProblemFilter)));
  app.disable('x-powered-by');
  app.disable('etag');
  return app;
}

function readTls({ cert, key }: NonNullable<Options['server']['tls']>) {
  return { cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.2' } as const;
}
