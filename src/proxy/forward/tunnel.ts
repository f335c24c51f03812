import type { Socket } from 'node:net';
import { type CloseCode, closeFrame, FrameBoundary } from './frames.ts';

/**
 * How long a frame that has begun may take until our close frame can follow it, in milliseconds.
 */
const restOfFrameTime = 200;

/** How long both ends have to hang up once one of them has, in milliseconds. */
const closeTimeout = 2000;

/** Dead peers, a closed laptop's for example, are asked for after this time, in milliseconds. */
const keepAliveDelay = 60_000;

/**
 * A WebSocket's two connections, whose errors are heard, joined: bytes pass as they are, and at the
 * pace of who receives them.
 */
export class Tunnel {
  readonly #toBrowser: Flow;
  readonly #toUpstream: Flow;
  #deadline: NodeJS.Timeout | undefined;

  /** `onClosed` is called once, when both connections are closed. */
  constructor(
    private readonly browser: Socket,
    private readonly upstream: Socket,
    onClosed: () => void,
  ) {
    let left = 2;
    const onClose = () => {
      left -= 1;
      if (left > 0) return this.#hangUpSoon();
      clearTimeout(this.#deadline);
      onClosed();
    };
    for (const socket of [browser, upstream]) {
      socket.setTimeout(0).setNoDelay(true).setKeepAlive(true, keepAliveDelay);
      socket.on('end', () => this.#hangUpSoon());
      // It may have gone while the other one was being opened; `close` will not come again.
      if (socket.closed) queueMicrotask(onClose);
      else socket.once('close', onClose);
    }
    this.#toBrowser = new Flow(upstream, browser);
    this.#toUpstream = new Flow(browser, upstream);
  }

  /**
   * Tells both ends that it is over, between two frames, and hangs up. An end that keeps it from
   * saying so is cut off.
   */
  close(code: CloseCode): void {
    this.#toBrowser.end(closeFrame(code, false));
    this.#toUpstream.end(closeFrame(code, true));
    setTimeout(() => {
      this.#toBrowser.cutOff();
      this.#toUpstream.cutOff();
    }, restOfFrameTime).unref();
    this.#hangUpSoon();
  }

  /** Cuts both connections. */
  destroy(): void {
    this.browser.destroy();
    this.upstream.destroy();
  }

  #hangUpSoon(): void {
    this.#deadline ??= setTimeout(() => this.destroy(), closeTimeout);
  }
}

/** The bytes of one direction. */
class Flow {
  readonly #boundary = new FrameBoundary();
  /** What is still to be said after the frame that has begun. */
  #last: Buffer | undefined;
  #isOver = false;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
  ) {
    from.on('data', (bytes) => this.#pass(bytes));
    from.on('end', () => this.#finish());
    from.on('close', () => this.#finish());
    to.on('drain', () => from.resume());
    to.on('close', () => this.#finish());
  }

  /** Lets the frame that has begun pass, then the last one, and no more. */
  end(last: Buffer): void {
    if (this.#isOver) return;
    this.#last = last;
    if (this.#boundary.isReached) this.#finish(last);
  }

  /** Ends it in the middle of a frame, if it has not ended yet: nothing may be said there. */
  cutOff(): void {
    if (!this.#isOver) this.to.destroy();
  }

  #pass(bytes: Buffer): void {
    if (this.#isOver) return;
    const count = this.#boundary.advance(bytes, this.#last !== undefined);
    const passed = count < bytes.length ? bytes.subarray(0, count) : bytes;
    if (!this.to.write(passed)) this.from.pause();
    if (this.#last && this.#boundary.isReached) this.#finish(this.#last);
  }

  #finish(last?: Buffer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (last && !this.#boundary.hasClosed) this.to.write(last);
    this.to.end();
    // What comes now is nobody's, but who does not read does not hear the other end hang up.
    this.from.resume();
  }
}
