import type { PlainLog } from '../../telemetry/log-lines.ts';
import { setTimeout } from 'node:timers/promises';
import type { Options } from '../../config/options.ts';
import { type ProcessMetrics, totalsOf } from '../../telemetry/metrics.ts';
import type { LineStream } from '../../telemetry/standard-output.ts';
import { WorkerMetrics } from '../../telemetry/worker-metrics.ts';
import { WorkerProcess } from './worker-process.ts';

/** Milliseconds after which the end of a worker no longer counts as a failed start. */
const startupTime = 10_000;

/**
 * The initial and the maximum delay between restarts of workers that fail early, in milliseconds.
 * The delay doubles each time.
 */
const initialDelay = 250;
const maxDelay = 30_000;

/**
 * Keeps the configured number of workers running. It replaces workers that die, and can replace all
 * of them without clients noticing.
 */
export class WorkerGroup {
  /** All running workers, including those that are stopping. */
  readonly #workers = new Set<WorkerProcess>();
  #options: Options;
  #isStopping = false;
  #earlyDeaths = 0;
  readonly #metrics: WorkerMetrics;
  #lastUsed = 0;
  /** Metrics of ended workers. Without them the sums would fall, which looks like a restart. */
  #past: Promise<ProcessMetrics> = Promise.resolve([]);

  /** `output` receives the log lines of the workers. */
  constructor(
    options: Options,
    private readonly log: PlainLog,
    private readonly output: LineStream,
  ) {
    this.#options = options;
    this.#metrics = new WorkerMetrics(output);
  }

  /**
   * Resolves when all workers serve requests. Otherwise stops all of them and throws the first
   * error.
   */
  async start(): Promise<void> {
    const starts = Array.from({ length: this.#options.server.workers }, () =>
      this.#add(this.#options),
    );
    try {
      await Promise.all(starts);
    } catch (error) {
      this.#isStopping = true;
      for (const worker of this.#workers) worker.kill();
      throw error;
    }
  }

  /**
   * Replaces the workers one by one with ones that use these options. Each new worker serves
   * requests before an old one stops. Throws the first error; the remaining old workers continue.
   */
  async replaceAll(options: Options): Promise<void> {
    const old = this.#serving;
    const count = options.server.workers;
    for (const [index, worker] of old.entries()) {
      if (index < count) await this.#add(options);
      this.#options = options;
      if (worker.isListening) worker.retire();
    }
    for (let more = old.length; more < count; more += 1) await this.#add(options);
  }

  /**
   * Lets all workers finish pending requests. Resolves when all have ended. A later second call
   * closes their connections.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const worker of this.#workers) worker.stop();
    await Promise.all([...this.#workers].map(({ gone }) => gone));
  }

  /**
   * Returns the workers in turn, so that a hung worker does not receive every request. Returns
   * `undefined` if no worker serves requests.
   */
  next(): WorkerProcess | undefined {
    this.#lastUsed += 1;
    return this.#serving[this.#lastUsed % this.#serving.length];
  }

  /** Returns the metrics of every worker, of ended workers and of this process. */
  async metrics(): Promise<ProcessMetrics[]> {
    // Read this first, so that a worker that ends during the requests is counted once.
    const past = this.#past;
    const all = [...this.#workers];
    const replies = await Promise.all(all.map((worker) => worker.requestMetrics()));
    const present = replies.map((metrics, index) => metrics ?? all[index]?.metrics ?? []);
    const silent = replies.filter((metrics) => metrics === undefined).length;
    const own = await this.#metrics.read(this.#serving.length, silent);
    return [...present, await past, own];
  }

  get #serving(): WorkerProcess[] {
    return [...this.#workers].filter(({ isListening, isLeaving }) => isListening && !isLeaving);
  }

  /** Starts and supervises a worker. Throws if it cannot serve requests. */
  async #add(options: Options): Promise<void> {
    const worker = new WorkerProcess(options, (lines) => this.output.write(lines));
    this.#workers.add(worker);
    void this.#supervise(worker);
    await worker.listening;
    this.log.info({ msg: 'a worker serves', worker: worker.id, pid: worker.pid });
  }

  async #supervise(worker: WorkerProcess): Promise<void> {
    const ending = await worker.gone;
    this.#workers.delete(worker);
    this.#past = this.#past.then((past) => totalsOf([past, worker.metrics]));
    if (worker.hasServed && !worker.isLeaving) await this.#replace(worker, ending);
  }

  async #replace(
    { id, begunAt }: WorkerProcess,
    { code, signal }: Awaited<WorkerProcess['gone']>,
  ): Promise<void> {
    this.#metrics.workerDied();
    this.log.error({ msg: 'a worker died', worker: id, code, signal });
    let lived = performance.now() - begunAt;
    for (;;) {
      this.#earlyDeaths = lived < startupTime ? this.#earlyDeaths + 1 : 0;
      await setTimeout(restartDelay(this.#earlyDeaths));
      if (this.#isStopping) return;
      try {
        return await this.#add(this.#options);
      } catch (error) {
        if (this.#isStopping) return;
        this.log.error({ msg: 'a worker did not start', err: error });
        lived = 0;
      }
    }
  }
}

function restartDelay(earlyDeaths: number): number {
  return earlyDeaths === 0 ? 0 : Math.min(maxDelay, initialDelay * 2 ** (earlyDeaths - 1));
}
