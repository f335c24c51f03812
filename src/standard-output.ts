import { once } from 'node:events';
import { destination, type DestinationStream } from 'pino';

/** As many bytes of lines wait for a reader that stands still; what comes after them is lost, and requests go on. */
const longestQueue = 64 * 1024 * 1024;

/** Milliseconds. Lines that follow others closely leave together with the next. */
const pauseBetweenWrites = 20;

/** Standard output for which nothing waits: a slow reader of the log slows down no request. */
export class StandardOutput implements DestinationStream {
  readonly #destination = destination({ sync: false, maxLength: longestQueue });
  /** One system call for all of them. */
  #lines = '';
  #isPausing = false;

  /** Takes a line, which leaves at once, or with those that follow within the pause. */
  write(line: string): void {
    if (this.#lines === '' && !this.#isPausing) setImmediate(() => this.#flush());
    this.#lines += line;
  }

  /** Writes at once what there is. pino does so with a line that is fatal. */
  flushSync(): void {
    this.#flush();
    this.#destination.flushSync();
  }

  /** Resolves when every line is written. */
  async end(): Promise<void> {
    this.#flush();
    this.#destination.end();
    await once(this.#destination, 'close');
  }

  #flush(): void {
    this.#isPausing = this.#lines !== '';
    if (!this.#isPausing) return;
    this.#destination.write(this.#lines);
    this.#lines = '';
    setTimeout(() => this.#flush(), pauseBetweenWrites);
  }
}
