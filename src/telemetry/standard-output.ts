import { AsyncLocalStorage } from 'node:async_hooks';
import { write, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

const standardOutput = 1;

/** Milliseconds between two writes. Lines in between are written together. */
const pauseBetweenWrites = 20;

/** The size of a buffer for lines, in bytes. */
const pieceSize = 64 * 1024;

/** The maximum number of bytes waiting for a blocked reader. Further lines are dropped. */
const longestQueue = 64 * 1024 * 1024;

/** The maximum number of lines whose formatting is deferred. */
const mostUnmade = 1000;

/** A destination for log lines. */
export interface LineStream extends DestinationStream {
  /**
   * Accepts a line that is formatted just before it is written. Optional; without it, lines are
   * written immediately.
   */
  writeLater?(make: () => string): void;
}

/**
 * Writes to standard output without blocking. A slow reader does not slow down requests; if the
 * reader is gone or the disk is full, only log lines are lost. Lines are encoded immediately,
 * because waiting strings would be copied by every garbage collection. Request lines keep little
 * data and are formatted in batches, which takes a fraction of the time.
 */
export class StandardOutput implements LineStream {
  /** Full buffers, in order. */
  #full: Buffer[] = [];
  #piece: Buffer = Buffer.allocUnsafeSlow(pieceSize);
  /** The number of used bytes in the current buffer. */
  #taken = 0;
  /** Lines to format after all buffers, in order. */
  #unmade: (() => string)[] = [];
  /** The number of bytes in all buffers. */
  #waiting = 0;
  /** A written buffer that can be reused. */
  #spare: Buffer | undefined;
  #isBusy = false;
  #onEmpty: (() => void) | undefined;
  /**
   * Runs the writer outside any request. It would otherwise keep the async context of the first
   * request.
   */
  readonly #ofNoRequest = AsyncLocalStorage.snapshot();

  constructor() {
    // Try to write the last lines, however the process ends.
    process.once('exit', () => this.flushSync());
  }

  /** Accepts a line. It is written immediately or together with the next lines. */
  write(line: string): void {
    this.#makeLines();
    this.#add(line);
    this.#leaveSoon();
  }

  /** Accepts a function that formats a line just before it is written. */
  writeLater(make: () => string): void {
    this.#unmade.push(make);
    if (this.#unmade.length >= mostUnmade) this.#makeLines();
    this.#leaveSoon();
  }

  #add(line: string): void {
    if (this.#waiting > longestQueue) return;
    // A UTF-16 code unit takes up to three bytes in UTF-8 (RFC 3629 §3; a surrogate pair takes
    // four).
    const most = 3 * line.length;
    if (this.#taken + most > this.#piece.length) this.#begin(most);
    const size = this.#piece.write(line, this.#taken);
    this.#taken += size;
    this.#waiting += size;
  }

  #leaveSoon(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#ofNoRequest(() => setImmediate(() => this.#next()));
  }

  #makeLines(): void {
    if (this.#unmade.length === 0) return;
    const unmade = this.#unmade;
    this.#unmade = [];
    for (const make of unmade) this.#add(make());
  }

  /** Tries once to write all waiting lines synchronously. pino calls it after a fatal line. */
  flushSync(): void {
    try {
      for (let bytes = this.#take(); bytes; bytes = this.#take()) writeSync(standardOutput, bytes);
    } catch {
      // The reader is blocked or gone.
    }
  }

  /** Resolves when every line is written or lost. */
  async end(): Promise<void> {
    if (!this.#isBusy) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /** Starts a buffer with room for `most` bytes. */
  #begin(most: number): void {
    if (this.#taken > 0) this.#full.push(this.#piece.subarray(0, this.#taken));
    const spare = most > pieceSize ? undefined : this.#spare;
    this.#piece = spare ?? Buffer.allocUnsafeSlow(Math.max(most, pieceSize));
    this.#spare = undefined;
    this.#taken = 0;
  }

  /** Takes the oldest unwritten bytes. Returns `undefined` if there are none. */
  #take(): Buffer | undefined {
    this.#makeLines();
    if (this.#full.length === 0 && this.#taken > 0) this.#begin(0);
    const bytes = this.#full.shift();
    this.#waiting -= bytes?.length ?? 0;
    return bytes;
  }

  #next(): void {
    const bytes = this.#take();
    if (bytes) return this.#write(bytes);
    this.#isBusy = false;
    this.#onEmpty?.();
  }

  #write(bytes: Buffer): void {
    write(standardOutput, bytes, (error, written = 0) => {
      // Retry for a blocked reader. For any other error, the same bytes would fail again.
      const isLost = error !== null && error.code !== 'EAGAIN';
      const rest = bytes.subarray(written);
      const isDone = isLost || rest.length === 0;
      if (isDone && bytes.buffer.byteLength === pieceSize) this.#spare = Buffer.from(bytes.buffer);
      const goOn = () => (isDone ? this.#next() : this.#write(rest));
      const isBehind = isDone && this.#full.length > 0;
      setTimeout(goOn, isBehind || this.#onEmpty ? 0 : pauseBetweenWrites);
    });
  }
}
