import cluster, { type Worker } from 'node:cluster';
import { setTimeout as passed } from 'node:timers/promises';
import { ConfigurationError } from '../../config/load.ts';
import type { Options } from '../../config/options.ts';
import type { ManagementResponse, ManagementRequest } from '../../management/management-request.ts';
import type { Metric } from '../../telemetry/metric.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/** How a worker ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

type Reply = (answer: ManagementResponse | readonly Metric[]) => void;

/**
 * A worker may take as long to answer, in milliseconds: a little longer than what is asked of it
 * may.
 */
const patience = 2500;

/**
 * What it has not finished this long after it was told to end, in milliseconds, is not finished: it
 * hangs.
 */
const longestEnd = 40_000;

/** One worker, as the primary knows it. */
export class WorkerProcess {
  /**
   * Resolves when it serves requests. Rejects with what kept it from that: a `ConfigurationError`,
   * or that it ended.
   */
  readonly listening: Promise<void>;
  /** Resolves when it has ended and its last line is written. */
  readonly gone: Promise<Ending>;
  isListening = false;
  hasServed = false;
  /** It is about to end because it was told to. */
  isLeaving = false;
  /** When it began, on the clock of `performance.now`. */
  readonly begunAt = performance.now();
  readonly #worker: Worker;
  readonly #start = Promise.withResolvers<void>();
  readonly #replies = new Map<number, Reply>();
  readonly #figures = new Map<string, Metric>();
  #lastQuestion = 0;

  /** Starts one. `write` gets its log, in whole lines. */
  constructor(
    private readonly options: Options,
    write: (lines: string) => void,
  ) {
    this.#worker = cluster.fork();
    this.#worker.on('message', (message: FromWorker) => this.#hear(message));
    // Writing to one that has just ended fails; that it has is told below.
    this.#worker.on('error', () => {});
    const { process: child } = this.#worker;
    readLines(child.stdout, write);
    child.stderr?.pipe(process.stderr, { end: false });
    this.listening = this.#start.promise;
    // Nobody may wait for it any more when it ends.
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

  /** What it has counted, as far as it is known. */
  get figures(): Metric[] {
    return [...this.#figures.values()];
  }

  /** Absent: it does not answer. */
  async askFigures(): Promise<readonly Metric[] | undefined> {
    const figures = await this.#ask((id) => ({ kind: 'figures', id }));
    if (!Array.isArray(figures)) return undefined;
    this.#note(figures as Metric[]);
    return figures as Metric[];
  }

  /** Absent: it does not answer. */
  async ask(question: ManagementRequest): Promise<ManagementResponse | undefined> {
    const answer = await this.#ask((id) => ({ kind: 'question', id, question }));
    return answer as ManagementResponse | undefined;
  }

  /** Lets it finish what is under way; told again after a moment, it hurries. */
  stop(): void {
    if (this.isListening) this.#leave('stop');
    else this.kill();
  }

  /** Lets it go without any client noticing, because others listen. */
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
    setTimeout(() => this.kill(), longestEnd).unref();
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
      case 'answer':
        return this.#replies.get(message.id)?.(message.answer);
      case 'farewell':
        return this.#note(message.figures);
    }
  }

  async #ask(make: (id: number) => ToWorker) {
    const id = (this.#lastQuestion += 1);
    const { promise, resolve } = Promise.withResolvers<ManagementResponse | readonly Metric[]>();
    this.#replies.set(id, resolve);
    this.#tell(make(id));
    const answer = await Promise.race([
      promise,
      this.gone.then(() => undefined),
      passed(patience, undefined, { ref: false }),
    ]);
    this.#replies.delete(id);
    return answer;
  }

  #tell(message: ToWorker): void {
    if (this.#worker.isConnected()) this.#worker.send(message);
  }

  #note(figures: readonly Metric[]): void {
    for (const figure of figures) this.#figures.set(figure.name, figure);
  }

  #end({ code, signal }: Ending): void {
    this.isListening = false;
    this.#start.reject(
      new Error(`the worker ended at its start (${signal ?? `exit code ${code}`})`),
    );
  }
}

/**
 * Lines of several processes would mix if each wrote to the same pipe by itself. What a killed one
 * has not finished is no line.
 */
function readLines(stream: NodeJS.ReadableStream | null, write: (lines: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8').on('data', (text: string) => {
    const end = text.lastIndexOf('\n') + 1;
    if (end > 0) write(rest + text.slice(0, end));
    rest = end > 0 ? text.slice(end) : rest + text;
  });
}
