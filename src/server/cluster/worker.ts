import cluster from 'node:cluster';
import { ConfigurationError } from '../../config/load.ts';
import type { Options } from '../../config/options.ts';
import type { ManagementResponse } from '../../management/management-request.ts';
import type { ProcessMetrics } from '../../telemetry/metrics.ts';
import { Recorder } from '../../telemetry/recorder.ts';
import { ManagementService } from '../../management/management.service.ts';
import { type RunningServer, startServer } from '../run-server.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/**
 * Runs a worker process. It starts with the options that the primary sends and follows its commands
 * until it ends.
 */
export function work(): void {
  let server: RunningServer | undefined;
  // A closing terminal sends `SIGHUP` to all processes, but only the primary reloads on it.
  process.on('SIGHUP', () => {});
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'start')
      void start(message.options).then((started) => void (server = started));
    else if (server) void obey(server, message);
  });
  tell({ kind: 'ready' });
}

async function start(options: Options): Promise<RunningServer | undefined> {
  const worker = cluster.worker?.id ?? 0;
  try {
    const beforeExit = async () =>
      tell({ kind: 'last metrics', metrics: await server.app.get(Recorder).read() });
    const server: RunningServer = await startServer(options, { worker, beforeExit });
    tell({ kind: 'listening' });
    return server;
  } catch (error) {
    // The primary logs the error, once for all workers.
    const failure: FromWorker =
      error instanceof ConfigurationError
        ? { kind: 'mistakes', mistakes: error.mistakes }
        : failed(error);
    tell(failure, () => process.exit(1));
    return undefined;
  }
}

async function obey(
  server: RunningServer,
  message: Exclude<ToWorker, { kind: 'start' }>,
): Promise<void> {
  switch (message.kind) {
    case 'stop':
      return server.stop();
    case 'retire':
      return server.retire();
    case 'metrics':
      return reply(message.id, await management(server).metrics());
    case 'request':
      return reply(message.id, await management(server).respond(message.request));
  }
}

function reply(id: number, response: ManagementResponse | ProcessMetrics): void {
  tell({ kind: 'response', id, response });
}

function management({ app }: RunningServer): ManagementService {
  return app.get(ManagementService);
}

/** Errors are sent between processes with their message and stack only. */
function failed(error: unknown): FromWorker {
  return { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
}

/**
 * Sends a message to the primary. Without a primary the worker is about to end, and the message is
 * dropped.
 */
function tell(message: FromWorker, then: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, {}, then);
  else then();
}
