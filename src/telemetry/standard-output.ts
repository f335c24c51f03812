import { AsyncLocalStorage } from 'node:async_hooks';
import type { DestinationStream } from 'pino';
import sonicBoom from 'sonic-boom';

const standardOutput = 1;

/** Milliseconds between two writes. Lines in between are written together. */
const pauseBetweenWrites = 20;

/** The maximum number of bytes waiting for a blocked reader. Further lines are dropped. */
const longestQueue = 64 * 1024 * 1024;

/** The maximum number of lines in a batch. */
const longestBatch = 1000;

/** A line, or a function that formats it. */
type Line = string | (() => string);

/** A destination for log lines. */
export interface LineStream extends DestinationStream {
  /**
   * Accepts a line that is formatted just before it is written. Optional; without it, lines are
   * written immediately.
   */
  writeLater?(make: () => string): void;
  /** Calls the listener with the number of lines that were dropped. Optional. */
  onDrop?(listener: (lines: number) => void): void;
}

/**
 * Writes to standard output through `sonic-boom`, the destination of pino, without blocking. A slow
 * reader does not slow down requests. While the reader is gone or the disk is full, lines wait in a
 * queue of 64 MB; further lines are dropped and reported to `onDrop`. Lines are passed on in
 * batches, because `sonic-boom` takes longer for one line than the line takes to format.
 */
export class StandardOutput implements LineStream {
  readonly #output = new sonicBoom.SonicBoom({
    fd: standardOutput,
    sync: false,
    maxLength: longestQueue,
    // The process must not sleep until a blocked reader continues.
    retryEAGAIN: () => !this.#isSync,
  });
  #batch: Line[] = [];
  #isBusy = false;
  #isSync = false;
  #isEnding = false;
  /**
   * Runs the timer outside any request. It would otherwise keep the async context of the first
   * request.
   */
  readonly #ofNoRequest = AsyncLocalStorage.snapshot();

  constructor() {
    // The lines stay in the queue and are written again with the next ones.
    this.#output.on('error', () => {});
    process.once('exit', () => this.#exit());
  }

  /** Accepts a line. It is written immediately or together with the next lines. */
  write(line: string): void {
    this.#add(line);
  }

  /** Accepts a function that formats a line just before it is written. */
  writeLater(make: () => string): void {
    this.#add(make);
  }

  onDrop(listener: (lines: number) => void): void {
    this.#output.on('drop', (batch: string) => listener(batch.split('\n').length - 1));
  }

  /** Tries once to write all waiting lines synchronously. pino calls it after a fatal line. */
  flushSync(): void {
    this.#passOn();
    this.#isSync = true;
    try {
      this.#output.flushSync();
    } catch {
      // The reader is blocked or gone. The lines stay in the queue.
    }
    this.#isSync = false;
  }

  /** Resolves when every line is written, or when the reader is gone. */
  async end(): Promise<void> {
    this.#passOn();
    this.#isEnding = true;
    await new Promise((resolve) => this.#output.flush(resolve));
    this.#isEnding = false;
  }

  #add(line: Line): void {
    this.#batch.push(line);
    if (this.#batch.length >= longestBatch) this.#passOn();
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#ofNoRequest(() => setImmediate(() => this.#writeSoon()));
  }

  /** Writes the batch, and the next one after a pause. */
  #writeSoon(): void {
    if (this.#batch.length === 0) {
      this.#isBusy = false;
      return;
    }
    this.#passOn();
    setTimeout(() => this.#writeSoon(), pauseBetweenWrites);
  }

  #passOn(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    let text = '';
    for (const line of batch) text += typeof line === 'string' ? line : line();
    this.#output.write(text);
  }

  /** Tries to write the last lines, however the process ends. */
  #exit(): void {
    // A write to a blocked pipe cannot be cancelled, and a process does not exit during one.
    if (this.#isEnding) process.kill(process.pid, 'SIGKILL');
    else this.flushSync();
  }
}
