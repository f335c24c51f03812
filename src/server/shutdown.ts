import { setTimeout as passed } from 'node:timers/promises';
import type { StandardOutput } from '../telemetry/standard-output.ts';

/**
 * Two signals closer together than this, in milliseconds, are one: npm and a terminal both pass on
 * the same Ctrl-C.
 */
const echoTime = 1000;

/** The last log lines may take as long, in milliseconds, if their reader stands still. */
const lastLinesTime = 2000;

/** Ends the process. */
export type Exit = (code: number) => void;

interface Log {
  error(line: object): void;
  fatal(line: object): void;
}

/**
 * A promise that nobody waited for belongs to one request: the others go on. After an exception
 * that nobody caught nothing is certain any more, and the process ends. Node would print both with
 * all their properties, which may be tokens.
 */
export function logStrayErrors(log: Log, exit: Exit): void {
  process.on('unhandledRejection', (error) =>
    log.error({ msg: 'unhandled rejection', err: error }),
  );
  process.on('uncaughtException', (error) => {
    log.fatal({ msg: 'uncaught exception', err: error });
    exit(1);
  });
}

/**
 * What the wish to stop comes to, by a signal or by who started us: the first is `drain`; whoever
 * sends another one does not want to wait.
 */
export function stopper(drain: () => void, hurry: () => void): () => void {
  let stoppedAt: number | undefined;
  return () => {
    if (stoppedAt === undefined) {
      stoppedAt = performance.now();
      drain();
    } else if (performance.now() - stoppedAt > echoTime) {
      hurry();
    }
  };
}

/** Ends the process when its log is written. */
export async function exitAfter(output: StandardOutput, code: number): Promise<void> {
  await Promise.race([output.end(), passed(lastLinesTime)]);
  process.exit(code);
}
