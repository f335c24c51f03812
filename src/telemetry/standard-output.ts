import { AsyncLocalStorage } from 'node:async_hooks';
import { write, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

const standardOutput = 1;

/** Milliseconds. Lines that follow others closely leave together with the next. */
const pauseBetweenWrites = 20;

/** Lines gather in pieces of so many bytes. */
const pieceSize = 64 * 1024;

/**
 * As many bytes wait for a reader that stands still; what comes after them is lost, and requests go
 * on.
 */
const longestQueue = 64 * 1024 * 1024;

/** As many lines at most are to be made yet. */
const mostUnmade = 1000;

/** Where lines go. */
export interface LineStream extends DestinationStream {
  /** Takes a line that is made when it leaves. Absent: lines leave at once. */
  writeLater?(make: () => string): void;
}

/**
 * Standard output for which nothing waits: a slow reader of the log slows down no request, and one
 * that has gone, or a disk that is full, loses lines and nothing else. Lines become bytes as they
 * come: kept as text until they leave, they would be moved by every garbage collection in between.
 * Those of which little is to be kept are made when they leave: hundreds in a row take a fraction
 * of the time that each takes among other things.
 */
export class StandardOutput implements LineStream {
  /** Pieces without room for another line, in their order. */
  #full: Buffer[] = [];
  #piece: Buffer = Buffer.allocUnsafeSlow(pieceSize);
  /** Bytes of the piece that are taken. */
  #taken = 0;
  /** Lines that come after all bytes, in their order. */
  #unmade: (() => string)[] = [];
  /** Bytes in all pieces. */
  #waiting = 0;
  /** One that has been written and may be filled again. */
  #spare: Buffer | undefined;
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
    this.#makeLines();
    this.#add(line);
    this.#leaveSoon();
  }

  /** The same for a line that is made by then. */
  writeLater(make: () => string): void {
    this.#unmade.push(make);
    if (this.#unmade.length >= mostUnmade) this.#makeLines();
    this.#leaveSoon();
  }

  #add(line: string): void {
    if (this.#waiting > longestQueue) return;
    // A character takes up to three bytes (RFC 3629 §3; a pair of surrogates four).
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

  /** Tries once to write what there is. pino does so with a line that is fatal. */
  flushSync(): void {
    try {
      for (let bytes = this.#take(); bytes; bytes = this.#take()) writeSync(standardOutput, bytes);
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

  /** Begins a piece that has room for so many bytes. */
  #begin(most: number): void {
    if (this.#taken > 0) this.#full.push(this.#piece.subarray(0, this.#taken));
    const spare = most > pieceSize ? undefined : this.#spare;
    this.#piece = spare ?? Buffer.allocUnsafeSlow(Math.max(most, pieceSize));
    this.#spare = undefined;
    this.#taken = 0;
  }

  /** The oldest bytes that nobody has begun to write. Absent: there are none. */
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
      // A reader that stands still is waited for; whatever else is wrong will not be better for the
      // same lines.
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
