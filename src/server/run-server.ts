import { Logger } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApp } from './create-app.ts';
import type { LoadedOptions } from '../config/load.ts';
import type { Options, ServerOptions } from '../config/options.ts';
import { HttpConnections } from './http-connections.ts';
import { listenFailure } from '../config/listen-error.ts';
import { drain, exitAfter, logUnexpectedErrors, createStopHandler } from './shutdown.ts';
import { StandardOutput } from '../telemetry/standard-output.ts';
import { listenAddresses } from './listen-addresses.ts';

/** Start options besides the configuration. */
interface StartOptions {
  readonly warnings?: readonly string[];
  /** The number of this worker process. `undefined` for a single process. */
  readonly worker?: number;
  /** Called immediately before the process exits. */
  readonly beforeExit?: () => Promise<void>;
}

/** Runs the whole server in this process. Throws if it cannot start. */
export async function serveAlone({ options, warnings, source }: LoadedOptions): Promise<void> {
  const server = await startServer(options, { warnings });
  server.logger.log({ msg: 'listening', ...listenAddresses(options), configuration: source });
}

/** A server that accepts requests, and the ways to stop it. */
export interface RunningServer {
  readonly app: NestExpressApplication;
  readonly logger: Logger;
  /**
   * Finishes pending requests and ends the process. A second call, more than a second later, closes
   * their connections.
   */
  readonly stop: () => void;
  /**
   * Stops one of several workers. Clients notice nothing, because other workers accept their
   * requests.
   */
  readonly retire: () => void;
}

/** Starts a server that stops on `SIGTERM` and `SIGINT`. Throws if it cannot start. */
export async function startServer(
  options: Options,
  { warnings = [], worker, beforeExit = async () => {} }: StartOptions,
): Promise<RunningServer> {
  const output = new StandardOutput();
  const overrides = { logStream: output, ...(worker !== undefined && { worker }) };
  const app = await createApp(options, overrides);
  const logger = new Logger('Server');
  const exit = (code: number) => void exitAfter(output, code);
  logUnexpectedErrors(logger, exit);
  for (const warning of warnings) logger.warn(warning);
  // This opens the management listener, which reports its own errors.
  await app.init();
  const connections = new HttpConnections(app.getHttpServer());
  await listen(app, options.server);
  const end = () =>
    drain(app, connections, logger, (code) => void beforeExit().finally(() => exit(code)));
  const stop = createStopHandler(
    () => void end(),
    () => connections.closeAll(),
  );
  const retire = () => void connections.closeGracefully().then(stop);
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
