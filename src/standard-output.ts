import { once } from 'node:events';
import { destination, type DestinationStream } from 'pino';

/** As many bytes of lines wait for a reader that stands still; what comes after them is lost, and requests go on. */
const longestQueue = 64 * 1024 * 1024;

/** Standard output for which nothing waits: a slow reader of the log slows down no request. */
export class StandardOutput implements DestinationStream {
  readonly #destination = destination({ sync: false, maxLength: longestQueue });
  /** Of this turn of the event loop: one system call for all of them. */
  #lines = '';

  /** Takes a line, which is under way when this turn of the event loop is over. */
  write(line: string): void {
    if (this.#lines === '') setImmediate(() => this.#flush());
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
    if (this.#lines !== '') this.#destination.write(this.#lines);
    this.#lines = '';
  }
}
