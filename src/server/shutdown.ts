import { setImmediate } from 'node:timers/promises';
import type { INestApplication, Logger } from '@nestjs/common';
import { withDeadline } from '../http/deadline.ts';
import type { StandardOutput } from '../telemetry/standard-output.ts';
import type { HttpConnections } from './http-connections.ts';

/** How long pending requests may take after a stop signal, in milliseconds. */
const drainTime = 25_000;

/**
 * Two signals within this time, in milliseconds, count as one, because npm and a terminal both
 * forward the same Ctrl-C.
 */
const duplicateSignalTime = 1000;

/** The maximum time to write the last log lines, in milliseconds. Their reader may be blocked. */
const logFlushTime = 2000;

/** Ends the process with an exit code. */
export type Exit = (code: number) => void;

interface Log {
  error(line: object): void;
  fatal(line: object): void;
}

/**
 * Logs unhandled rejections and uncaught exceptions. A rejection belongs to one request, so the
 * process continues. After an uncaught exception the state is undefined, so the process ends.
 * Node's own output would include all properties of the error, which may be tokens.
 */
export function logUnexpectedErrors(log: Log, exit: Exit): void {
  process.on('unhandledRejection', (error) =>
    log.error({ msg: 'unhandled rejection', err: error }),
  );
  process.on('uncaughtException', (error) => {
    log.fatal({ msg: 'uncaught exception', err: error });
    exit(1);
  });
}

/**
 * Returns a function to call for each stop request, from a signal or the primary. The first call
 * runs `begin`. A call more than a second later runs `endNow`.
 */
export function createStopHandler(begin: () => void, endNow: () => void): () => void {
  let stoppedAt: number | undefined;
  return () => {
    if (stoppedAt === undefined) {
      stoppedAt = performance.now();
      begin();
    } else if (performance.now() - stoppedAt > duplicateSignalTime) {
      endNow();
    }
  };
}

/**
 * Finishes pending requests, for up to 25 seconds, and closes the application. Then calls `exit`,
 * with 1 if closing failed.
 */
export async function drain(
  app: INestApplication,
  connections: HttpConnections,
  logger: Logger,
  exit: Exit,
): Promise<void> {
  logger.log('draining');
  // Otherwise a connection that becomes idle during shutdown is kept alive for its next request.
  setInterval(() => connections.closeIdle(), 50);
  setTimeout(() => connections.closeAll(), drainTime);
  try {
    await app.close();
    // The last connections are closed now. Their requests are logged on the `close` event.
    await setImmediate();
  } catch (error) {
    logger.error({ msg: 'stopped uncleanly', err: error });
    return exit(1);
  }
  logger.log('stopped');
  exit(0);
}

/** Ends the process with an exit code when its log is written, or after two seconds. */
export async function exitAfter(output: StandardOutput, code: number): Promise<void> {
  const settings = { keepsProcessAlive: true };
  await withDeadline(output.end(), logFlushTime, () => undefined, settings);
  process.exit(code);
}
