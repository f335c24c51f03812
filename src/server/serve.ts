import { loadOptions } from '../config/load.ts';
import { tuneGarbageCollection } from './garbage-collection.ts';

/**
 * Runs the server until `SIGTERM` or `SIGINT`, then finishes what is under way and exits 0. Throws
 * when it cannot start. Only what this process has to do is loaded: all of it, the keeping of
 * workers, or the work of one.
 */
export async function serve(file: string | undefined): Promise<void> {
  tuneGarbageCollection();
  // Whoever was forked may be one of our workers.
  if (process.send && (await import('node:cluster')).default.isWorker)
    return (await import('./cluster/worker.ts')).work();
  const loaded = loadOptions({ file });
  if (loaded.options.server.workers > 1)
    return (await import('./cluster/primary.ts')).serveByWorkers(file, loaded);
  return (await import('./run-server.ts')).serveAlone(loaded);
}
