import { AsyncLocalStorage } from 'node:async_hooks';
import { write, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

const standardOutput = 1;

/** Milliseconds. Lines that follow others closely leave together with the next. */
const pauseBetweenWrites = 20;

/** As many bytes wait for a reader that stands still; what comes after them is lost, and requests go on. */
const longestQueue = 64 * 1024 * 1024;

/**
 * Standard output for which nothing waits: a slow reader of the log slows down no request, and one that has gone, or a disk
 * that is full, loses lines and nothing else.
 */
export class StandardOutput implements DestinationStream {
  /** Lines that nobody has begun to write. */
  #lines: string[] = [];
  /** Characters in them. */
  #length = 0;
  #isBusy = false;
  #onEmpty: (() => void) | undefined;
  /** What writes goes on from line to line, and would keep the request of the first of them. */
  readonly #ofNoRequest = AsyncLocalStorage.snapshot();

  constructor() {
    // However the process ends, its last lines are tried.
    process.once('exit', () => this.flushSync());
  }

  /** Takes a line, which leaves at once, or with those that follow within the pause. */
  write(line: string): void {
    if (this.#length > longestQueue) return;
    this.#lines.push(line);
    this.#length += line.length;
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#ofNoRequest(() => setImmediate(() => this.#next()));
  }

  /** Tries once to write what there is. pino does so with a line that is fatal. */
  flushSync(): void {
    const lines = this.#takeLines();
    try {
      if (lines !== '') writeSync(standardOutput, lines);
    } catch {
      // Who reads it stands still or has gone.
    }
  }

  /** Resolves when every line is written, or lost. */
  async end(): Promise<void> {
    if (!this.#isBusy) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  #next(): void {
    const lines = this.#takeLines();
    if (lines !== '') return this.#write(Buffer.from(lines));
    this.#isBusy = false;
    this.#onEmpty?.();
  }

  #takeLines(): string {
    const lines = this.#lines.join('');
    this.#lines = [];
    this.#length = 0;
    return lines;
  }

  #write(bytes: Buffer): void {
    write(standardOutput, bytes, (error, written = 0) => {
      // A reader that stands still is waited for; whatever else is wrong will not be better for the same lines.
      const isLost = error !== null && error.code !== 'EAGAIN';
      const rest = bytes.subarray(written);
      const goOn = () => (isLost || rest.length === 0 ? this.#next() : this.#write(rest));
      setTimeout(goOn, this.#onEmpty ? 0 : pauseBetweenWrites);
    });
  }
}
