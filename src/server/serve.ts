import { loadOptions } from '../config/load.ts';

/**
 * Runs the server until `SIGTERM` or `SIGINT`, then finishes the pending requests and exits with
 * code 0. Throws if it cannot start. It loads only the code of this process: the single server, the
 * primary or a worker.
 */
export async function serve(file: string | undefined): Promise<void> {
  // A process with an IPC channel may be one of our workers.
  if (process.send && (await import('node:cluster')).default.isWorker)
    return (await import('./cluster/worker.ts')).work();
  const loaded = loadOptions({ file });
  if (loaded.options.server.workers > 1)
    return (await import('./cluster/primary.ts')).serveByWorkers(file, loaded);
  return (await import('./run-server.ts')).serveAlone(loaded);
}
