import { setImmediate } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApp } from './create-app.ts';
import type { LoadedOptions } from '../config/load.ts';
import type { Options, ServerOptions } from '../config/options.ts';
import { HttpConnections } from './http-connections.ts';
import { listenFailure } from '../config/listen-error.ts';
import { type Exit, exitAfter, logStrayErrors, stopper } from './shutdown.ts';
import { StandardOutput } from '../telemetry/standard-output.ts';
import { listenAddresses } from './listen-addresses.ts';

/** How long requests under way may take after a signal to stop, in milliseconds. */
const drainTime = 25_000;

/** What a server may need to know beside its options. */
interface StartOptions {
  readonly warnings?: readonly string[];
  /** Which of several processes it is. Absent: there is one. */
  readonly worker?: number;
  /** The last thing it does before it ends. */
  readonly beforeExit?: () => void;
}

/** Runs the whole server in this process. Throws when it cannot start. */
export async function serveAlone({ options, warnings, source }: LoadedOptions): Promise<void> {
  const server = await startServer(options, { warnings });
  server.logger.log({ msg: 'listening', ...listenAddresses(options), configuration: source });
}

/** A server that listens, and how it ends. */
export interface RunningServer {
  readonly app: NestExpressApplication;
  readonly logger: Logger;
  /** Finishes what is under way and ends the process; called again after a moment, it hurries. */
  readonly stop: () => void;
  /** The same in the place of whom others listen: no client notices. */
  readonly retire: () => void;
}

/** Starts a server that obeys `SIGTERM` and `SIGINT`. Throws when it cannot. */
export async function startServer(
  options: Options,
  { warnings = [], worker, beforeExit = () => {} }: StartOptions,
): Promise<RunningServer> {
  const output = new StandardOutput();
  const surroundings = { logStream: output, ...(worker !== undefined && { worker }) };
  const app = await createApp(options, surroundings);
  const logger = new Logger('Server');
  const exit = (code: number) => void exitAfter(output, code);
  logStrayErrors(logger, exit);
  for (const warning of warnings) logger.warn(warning);
  // The management listener opens here, and says itself why it cannot.
  await app.init();
  const connections = new HttpConnections(app.getHttpServer());
  await listen(app, options.server);
  const end = () => drain(app, connections, logger, (code) => (beforeExit(), exit(code)));
  const stop = stopper(
    () => void end(),
    () => connections.closeAll(),
  );
  const retire = () => void connections.leave().then(stop);
  process.on('SIGTERM', stop).on('SIGINT', stop);
  return { app, logger, stop, retire };
}

async function listen(app: NestExpressApplication, server: ServerOptions): Promise<void> {
  try {
    await app.listen(server.port, server.host);
  } catch (error) {
    throw listenFailure('server', server, error);
  }
}

async function drain(
  app: NestExpressApplication,
  connections: HttpConnections,
  logger: Logger,
  exit: Exit,
): Promise<void> {
  logger.log('draining');
  // A connection that falls idle while we wait would otherwise be kept alive for its next request.
  setInterval(() => connections.closeIdle(), 50);
  setTimeout(() => connections.closeAll(), drainTime);
  try {
    await app.close();
    // The last connections have just been closed; the lines of their requests are written when they
    // hear of it.
    await setImmediate();
  } catch (error) {
    logger.error({ msg: 'stopped uncleanly', err: error });
    return exit(1);
  }
  logger.log('stopped');
  exit(0);
}
