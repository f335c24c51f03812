import { Counter, Gauge, Registry } from 'prom-client';
import { countDroppedLines } from './dropped-lines.ts';
import type { ProcessMetrics } from './metrics.ts';
import type { LineStream } from './standard-output.ts';

/** The metrics of the primary process of several workers. */
export class WorkerMetrics {
  readonly #registry = new Registry();
  readonly #registers = [this.#registry];
  readonly #workers = new Gauge({
    name: 'pixie_workers',
    help: 'Workers that serve requests.',
    registers: this.#registers,
  });
  readonly #silent = new Gauge({
    name: 'pixie_workers_silent',
    help: 'Workers that do not answer the primary.',
    registers: this.#registers,
  });
  readonly #deaths = new Counter({
    name: 'pixie_worker_deaths_total',
    help: 'Workers that died.',
    registers: this.#registers,
  });

  /** `log` is the log of the primary, which also has the lines of the workers. */
  constructor(log: LineStream) {
    countDroppedLines(log, this.#registry);
  }

  workerDied(): void {
    this.#deaths.inc();
  }

  /** Returns the metrics, with the current numbers of serving and of silent workers. */
  read(serving: number, silent: number): Promise<ProcessMetrics> {
    this.#workers.set(serving);
    this.#silent.set(silent);
    return this.#registry.getMetricsAsJSON();
  }
}
