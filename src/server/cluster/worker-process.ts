import cluster, { type Worker } from 'node:cluster';
import { ConfigurationError } from '../../config/load.ts';
import type { Options } from '../../config/options.ts';
import { withDeadline } from '../../http/deadline.ts';
import type { ManagementResponse, ManagementRequest } from '../../management/management-request.ts';
import type { ProcessMetrics } from '../../telemetry/metrics.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/** How a worker process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

type Reply = (response: ManagementResponse | ProcessMetrics) => void;

/**
 * The maximum time to wait for a worker's reply, in milliseconds. It is slightly longer than the
 * timeouts inside the worker.
 */
const responseTimeout = 2500;

/** Milliseconds after which a worker that should stop is considered hung. */
const stopTimeout = 40_000;

/** A worker process, seen from the primary. */
export class WorkerProcess {
  /**
   * Resolves when the worker serves requests. Rejects with a `ConfigurationError` or another error
   * if it cannot start.
   */
  readonly listening: Promise<void>;
  /** Resolves when the worker has ended and its last log line is written. */
  readonly gone: Promise<Ending>;
  isListening = false;
  hasServed = false;
  /** Whether a stop of the worker was requested. */
  isLeaving = false;
  /** The start time, by `performance.now`. */
  readonly begunAt = performance.now();
  readonly #worker: Worker;
  readonly #start = Promise.withResolvers<void>();
  readonly #replies = new Map<number, Reply>();
  readonly #metrics = new Map<string, ProcessMetrics[number]>();
  #lastRequest = 0;

  /** Starts a worker. `write` receives its log as whole lines. */
  constructor(
    private readonly options: Options,
    write: (lines: string) => void,
  ) {
    this.#worker = cluster.fork();
    this.#worker.on('message', (message: FromWorker) => this.#hear(message));
    // Sending to a worker that has just ended fails. `gone` reports the end.
    this.#worker.on('error', () => {});
    const { process: child } = this.#worker;
    readLines(child.stdout, write);
    child.stderr?.pipe(process.stderr, { end: false });
    this.listening = this.#start.promise;
    // Avoids an unhandled rejection if the worker ends when nothing awaits `listening`.
    this.listening.catch(() => {});
    this.gone = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    void this.gone.then((ending) => this.#end(ending));
  }

  get id(): number {
    return this.#worker.id;
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** The last known metrics of the worker. */
  get metrics(): ProcessMetrics {
    return [...this.#metrics.values()];
  }

  /** Returns the current metrics, or `undefined` if the worker does not reply in time. */
  async requestMetrics(): Promise<ProcessMetrics | undefined> {
    const metrics = await this.#ask((id) => ({ kind: 'metrics', id }));
    if (!Array.isArray(metrics)) return undefined;
    this.#note(metrics);
    return metrics;
  }

  /** Forwards a management request. Returns `undefined` if the worker does not reply in time. */
  async forward(request: ManagementRequest): Promise<ManagementResponse | undefined> {
    const response = await this.#ask((id) => ({ kind: 'request', id, request }));
    return response as ManagementResponse | undefined;
  }

  /** Lets the worker finish pending requests. A later second call closes their connections. */
  stop(): void {
    if (this.isListening) this.#leave('stop');
    else this.kill();
  }

  /** Stops the worker without clients noticing, because other workers accept their requests. */
  retire(): void {
    this.#leave('retire');
  }

  kill(): void {
    this.isLeaving = true;
    this.#worker.process.kill('SIGKILL');
  }

  #leave(kind: 'stop' | 'retire'): void {
    this.isLeaving = true;
    this.#tell({ kind });
    setTimeout(() => this.kill(), stopTimeout).unref();
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        return this.#tell({ kind: 'start', options: this.options });
      case 'listening':
        this.isListening = true;
        this.hasServed = true;
        return this.#start.resolve();
      case 'mistakes':
        return this.#start.reject(new ConfigurationError(message.mistakes));
      case 'failed':
        return this.#start.reject(message.error);
      case 'response':
        return this.#replies.get(message.id)?.(message.response);
      case 'last metrics':
        return this.#note(message.metrics);
    }
  }

  async #ask(make: (id: number) => ToWorker) {
    const id = (this.#lastRequest += 1);
    const { promise, resolve } = Promise.withResolvers<ManagementResponse | ProcessMetrics>();
    this.#replies.set(id, resolve);
    this.#tell(make(id));
    const replyOrEnd = Promise.race([promise, this.gone.then(() => undefined)]);
    const response = await withDeadline(replyOrEnd, responseTimeout, () => undefined);
    this.#replies.delete(id);
    return response;
  }

  #tell(message: ToWorker): void {
    if (this.#worker.isConnected()) this.#worker.send(message);
  }

  #note(metrics: ProcessMetrics): void {
    for (const metric of metrics) this.#metrics.set(metric.name, metric);
  }

  #end({ code, signal }: Ending): void {
    this.isListening = false;
    this.#start.reject(
      new Error(`the worker ended at its start (${signal ?? `exit code ${code}`})`),
    );
  }
}

/**
 * Collects the output into whole lines. If workers wrote to the same pipe directly, their lines
 * would mix. An incomplete last line of a killed worker is dropped.
 */
function readLines(stream: NodeJS.ReadableStream | null, write: (lines: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8').on('data', (text: string) => {
    const end = text.lastIndexOf('\n') + 1;
    if (end > 0) write(rest + text.slice(0, end));
    rest = end > 0 ? text.slice(end) : rest + text;
  });
}
