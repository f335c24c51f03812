import { setImmediate, setTimeout as passed } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApp } from './app.ts';
import { type LoadedOptions, loadOptions } from './config/load.ts';
import type { ServerOptions } from './config/options.ts';
import { Connections } from './connections.ts';
import { listenFailure } from './management/listen-failure.ts';
import { StandardOutput } from './standard-output.ts';

/** How long requests under way may take after a signal to stop, in milliseconds. */
const drainTime = 25_000;

/** Two signals closer together than this, in milliseconds, are one: npm and a terminal both pass on the same Ctrl-C. */
const echoTime = 1000;

/** The last log lines may take as long, in milliseconds, if their reader stands still. */
const lastLinesTime = 2000;

type Exit = (code: number) => void;

/** Runs the server until `SIGTERM` or `SIGINT`, then finishes what is under way and exits 0. Throws when it cannot start. */
export async function serve(file: string | undefined): Promise<void> {
  const loaded = loadOptions({ file });
  const output = new StandardOutput();
  const app = await createApp(loaded.options, { logStream: output });
  const logger = new Logger('Server');
  const exit = (code: number) => void exitAfter(output, code);
  logStrayErrors(logger, exit);
  for (const warning of loaded.warnings) logger.warn(warning);
  // The management listener opens here, and says itself why it cannot.
  await app.init();
  const connections = new Connections(app.getHttpServer());
  await listen(app, loaded.options.server);
  logger.log({ msg: 'listening', ...whereabouts(loaded) });
  stopOnSignal(app, connections, logger, exit);
}

async function listen(app: NestExpressApplication, server: ServerOptions): Promise<void> {
  try {
    await app.listen(server.port, server.host);
  } catch (error) {
    throw listenFailure('server', server, error);
  }
}

function whereabouts({ options: { publicUrl, server, management }, source }: LoadedOptions) {
  return {
    publicUrl,
    address: `${server.host}:${server.port}`,
    management: `${management.host}:${management.port}`,
    configuration: source,
  };
}

/**
 * A promise that nobody waited for belongs to one request: the others go on. After an exception that nobody caught nothing
 * is certain any more, and the process ends. Node would print both with all their properties, which may be tokens.
 */
function logStrayErrors(logger: Logger, exit: Exit): void {
  process.on('unhandledRejection', (error) =>
    logger.error({ msg: 'unhandled rejection', err: error }),
  );
  process.on('uncaughtException', (error) => {
    logger.fatal({ msg: 'uncaught exception', err: error });
    exit(1);
  });
}

/** The first signal lets requests finish. Whoever sends another one does not want to wait. */
function stopOnSignal(
  app: NestExpressApplication,
  connections: Connections,
  logger: Logger,
  exit: Exit,
): void {
  let stoppedAt: number | undefined;
  const stop = () => {
    if (stoppedAt === undefined) {
      stoppedAt = performance.now();
      void drain(app, connections, logger, exit);
    } else if (performance.now() - stoppedAt > echoTime) {
      connections.closeAll();
    }
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
}

async function drain(
  app: NestExpressApplication,
  connections: Connections,
  logger: Logger,
  exit: Exit,
): Promise<void> {
  logger.log('draining');
  // A connection that falls idle while we wait would otherwise be kept alive for its next request.
  setInterval(() => connections.closeIdle(), 50);
  setTimeout(() => connections.closeAll(), drainTime);
  try {
    await app.close();
    // The last connections have just been closed; the lines of their requests are written when they hear of it.
    await setImmediate();
  } catch (error) {
    logger.error({ msg: 'stopped uncleanly', err: error });
    return exit(1);
  }
  logger.log('stopped');
  exit(0);
}

/** Ends the process when its log is written. */
async function exitAfter(output: StandardOutput, code: number): Promise<void> {
  await Promise.race([output.end(), passed(lastLinesTime)]);
  process.exit(code);
}
