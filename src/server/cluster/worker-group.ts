import type { PlainLog } from '../../telemetry/log-lines.ts';
import { setTimeout as passed } from 'node:timers/promises';
import type { Options } from '../../config/options.ts';
import { aggregate, type Metric, gauge } from '../../telemetry/metric.ts';
import { WorkerProcess } from './worker-process.ts';

/** A worker that lived longer, in milliseconds, did not die of its start. */
const longEnough = 10_000;

/** Between attempts with workers that die early, in milliseconds: it doubles. */
const firstPause = 250;
const longestPause = 30_000;

/**
 * As many workers as are wanted: one that dies is replaced, and all of them can be without any
 * client noticing.
 */
export class WorkerGroup {
  /** All that run, those that are leaving included. */
  readonly #workers = new Set<WorkerProcess>();
  #options: Options;
  #isStopping = false;
  #earlyDeaths = 0;
  #deaths = 0;
  #lastAsked = 0;
  /**
   * What those that are gone had counted: a sum over those that live would fall, and look like a
   * restart.
   */
  #past: readonly Metric[] = [];

  /** `write` gets the workers' own log. */
  constructor(
    options: Options,
    private readonly log: PlainLog,
    private readonly write: (lines: string) => void,
  ) {
    this.#options = options;
  }

  /**
   * Resolves when all serve requests. Throws what the first of them failed with; then none is left.
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
   * Puts workers with these options in the place of the others, one after the other: each serves
   * requests before another one stops. Throws what the first of them failed with; those that served
   * before go on.
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
   * Lets all finish what is under way, and resolves when they have ended. Called again, it hurries
   * them.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const worker of this.#workers) worker.stop();
    await Promise.all([...this.#workers].map(({ gone }) => gone));
  }

  /**
   * The next one in turn, so that one that hangs is not the only one asked. Absent: none serves
   * requests.
   */
  next(): WorkerProcess | undefined {
    this.#lastAsked += 1;
    return this.#serving[this.#lastAsked % this.#serving.length];
  }

  /** What each worker says, what those that are gone had counted, and how many there are. */
  async figures(): Promise<(readonly Metric[])[]> {
    // Before they are asked: one that ends meanwhile is counted once.
    const past = this.#past;
    const all = [...this.#workers];
    const answers = await Promise.all(all.map((worker) => worker.askFigures()));
    const present = answers.map((figures, index) => figures ?? all[index]?.figures ?? []);
    const silent = answers.filter((figures) => figures === undefined).length;
    const deaths = gauge('pixie_worker_deaths_total', 'Workers that died.', this.#deaths);
    const workers = gauge('pixie_workers', 'Workers that serve requests.', this.#serving.length);
    const hung = gauge('pixie_workers_silent', 'Workers that do not answer the primary.', silent);
    return [...present, past, [workers, hung, { ...deaths, type: 'counter' }]];
  }

  get #serving(): WorkerProcess[] {
    return [...this.#workers].filter(({ isListening, isLeaving }) => isListening && !isLeaving);
  }

  /** Starts one and looks after it. Throws when it does not come to serve requests. */
  async #add(options: Options): Promise<void> {
    const worker = new WorkerProcess(options, this.write);
    this.#workers.add(worker);
    void this.#lookAfter(worker);
    await worker.listening;
    this.log.info({ msg: 'a worker serves', worker: worker.id, pid: worker.pid });
  }

  async #lookAfter(worker: WorkerProcess): Promise<void> {
    const ending = await worker.gone;
    this.#workers.delete(worker);
    this.#past = aggregate([...this.#past, ...worker.figures]);
    if (worker.hasServed && !worker.isLeaving) await this.#replace(worker, ending);
  }

  async #replace(
    { id, begunAt }: WorkerProcess,
    { code, signal }: Awaited<WorkerProcess['gone']>,
  ): Promise<void> {
    this.#deaths += 1;
    this.log.error({ msg: 'a worker died', worker: id, code, signal });
    let lived = performance.now() - begunAt;
    for (;;) {
      this.#earlyDeaths = lived < longEnough ? this.#earlyDeaths + 1 : 0;
      await passed(pauseAfter(this.#earlyDeaths));
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

function pauseAfter(earlyDeaths: number): number {
  return earlyDeaths === 0 ? 0 : Math.min(longestPause, firstPause * 2 ** (earlyDeaths - 1));
}
