import cluster from 'node:cluster';
import { type LoadedOptions, loadOptions } from '../../config/load.ts';
import type { Options } from '../../config/options.ts';
import { type PlainLog, plainLog } from '../../telemetry/log-lines.ts';
import { type LineStream, StandardOutput } from '../../telemetry/standard-output.ts';
import {
  type ManagementResponse,
  draining,
  pathOf,
  type ManagementRequest,
  refuseUnlessRead,
  jsonResponse,
} from '../../management/management-request.ts';
import { ManagementListener } from '../../management/management-listener.ts';
import { metricsResponse } from '../../telemetry/metrics.ts';
import { type Exit, exitAfter, logUnexpectedErrors, createStopHandler } from '../shutdown.ts';
import { listenAddresses } from '../listen-addresses.ts';
import { v8Flags } from '../v8-flags.ts';
import { WorkerGroup } from './worker-group.ts';

/**
 * Runs several worker processes that share the port. This process, the primary, has no sessions and
 * serves no user requests. It starts workers, serves the management listener and forwards signals.
 * `SIGHUP` reloads the configuration. Throws if the first workers cannot start.
 */
export async function serveByWorkers(
  file: string | undefined,
  { options, warnings, source }: LoadedOptions,
): Promise<void> {
  const output = new StandardOutput();
  const log = plainLog(options.logLevel, 'Server', output);
  const exit = (code: number) => void exitAfter(output, code);
  logUnexpectedErrors(log, exit);
  for (const warning of warnings) log.warn(warning);
  // Of two values of a flag, V8 uses the last one.
  const execArgv = [...v8Flags, ...process.execArgv];
  // The `advanced` serialization keeps values that JSON loses, for example `undefined`.
  cluster.setupPrimary({ silent: true, serialization: 'advanced', execArgv });
  const primary = new Primary(file, options, log, output);
  await primary.start();
  const stop = createStopHandler(
    () => void primary.stop(exit),
    () => primary.endNow(),
  );
  process.on('SIGTERM', stop).on('SIGINT', stop);
  process.on('SIGHUP', () => void primary.reload());
  const workers = options.server.workers;
  log.info({ msg: 'listening', ...listenAddresses(options), configuration: source, workers });
}

/** The state of the primary process. */
class Primary {
  readonly #workers: WorkerGroup;
  readonly #listener: ManagementListener;
  #isDraining = false;
  /**
   * Reloads run one after the other, because signals can arrive faster than workers are replaced.
   */
  #reloading: Promise<void> = Promise.resolve();

  constructor(
    private readonly file: string | undefined,
    private readonly options: Options,
    private readonly log: PlainLog,
    output: LineStream,
  ) {
    this.#workers = new WorkerGroup(options, log, output);
    const respond = (request: ManagementRequest) => this.#respond(request);
    const onError = (error: unknown) => log.error({ msg: 'no answer', err: error });
    this.#listener = new ManagementListener(options.management, respond, onError);
  }

  async start(): Promise<void> {
    await this.#listener.open();
    await this.#workers.start();
  }

  async stop(exit: Exit): Promise<void> {
    this.#isDraining = true;
    this.log.info('draining');
    await this.#workers.stop();
    this.#listener.close();
    this.log.info('stopped');
    exit(0);
  }

  /** Closes the connections of pending requests. */
  endNow(): void {
    void this.#workers.stop();
  }

  /**
   * Replaces all workers with ones that use the current configuration. If it is invalid, the old
   * workers stay.
   */
  async reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload());
    await this.#reloading;
  }

  async #reload(): Promise<void> {
    if (this.#isDraining) return;
    try {
      const { options, warnings } = loadOptions({ file: this.file });
      for (const warning of [...warnings, ...this.#staying(options)]) this.log.warn(warning);
      await this.#workers.replaceAll(options);
      this.#listener.setHosts(options.management.hosts);
      this.log.info({ msg: 'configuration read again', workers: options.server.workers });
    } catch (error) {
      if (this.#isDraining) return;
      this.log.error({ msg: 'configuration not taken over; workers go on as before', err: error });
    }
  }

  #staying({ management: { host, port } }: Options): string[] {
    const { management } = this.options;
    if (host === management.host && port === management.port) return [];
    return [`management stays at ${management.host}:${management.port} until a restart`];
  }

  async #respond(request: ManagementRequest): Promise<ManagementResponse> {
    const path = pathOf(request);
    if (path === '/livez') return refuseUnlessRead(request) ?? jsonResponse(200, 'ok');
    if (path === '/metrics')
      return refuseUnlessRead(request) ?? metricsResponse(await this.#workers.metrics());
    if (path === '/readyz' && this.#isDraining) return draining();
    return (await this.#workers.next()?.forward(request)) ?? noWorker();
  }
}

function noWorker(): ManagementResponse {
  const workers = { status: 'unavailable', reason: 'no worker answers' };
  return jsonResponse(503, 'unavailable', { checks: { workers } });
}
