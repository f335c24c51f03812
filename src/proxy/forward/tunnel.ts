import type { Socket } from 'node:net';
import { type CloseCode, closeFrame, FrameBoundary } from './frames.ts';

/** The maximum time that our close frame waits for the end of a frame, in milliseconds. */
const frameEndTimeout = 200;

/** The time until both connections are destroyed once one of them has ended, in milliseconds. */
const closeTimeout = 2000;

/**
 * Idle time before TCP keep-alive probes, in milliseconds. They detect dead peers, such as a closed
 * laptop.
 */
const keepAliveDelay = 60_000;

/**
 * Joins the two connections of a WebSocket. Forwards bytes unchanged and respects backpressure. The
 * sockets must already have error listeners.
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
    let openCount = 2;
    const onClose = () => {
      openCount -= 1;
      if (openCount > 0) return this.#destroySoon();
      clearTimeout(this.#deadline);
      onClosed();
    };
    for (const socket of [browser, upstream]) {
      socket.setTimeout(0).setNoDelay(true).setKeepAlive(true, keepAliveDelay);
      socket.on('end', () => this.#destroySoon());
      // The browser may have disconnected before the upstream was connected. There is no second
      // `close` event.
      if (socket.closed) queueMicrotask(onClose);
      else socket.once('close', onClose);
    }
    this.#toBrowser = new Flow(upstream, browser);
    this.#toUpstream = new Flow(browser, upstream);
  }

  /**
   * Sends a close frame to both ends, between two frames, and closes the connections. An end whose
   * current frame does not finish in time is disconnected without a close frame.
   */
  close(code: CloseCode): void {
    this.#toBrowser.end(closeFrame(code, false));
    this.#toUpstream.end(closeFrame(code, true));
    setTimeout(() => {
      this.#toBrowser.cutOff();
      this.#toUpstream.cutOff();
    }, frameEndTimeout).unref();
    this.#destroySoon();
  }

  /** Closes both connections at once. */
  destroy(): void {
    this.browser.destroy();
    this.upstream.destroy();
  }

  #destroySoon(): void {
    this.#deadline ??= setTimeout(() => this.destroy(), closeTimeout);
  }
}

/** One direction of the tunnel. */
class Flow {
  readonly #boundary = new FrameBoundary();
  /** The frame to send after the current one. */
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

  /** Forwards the rest of the current frame, then sends `last` and ends. */
  end(last: Buffer): void {
    if (this.#isOver) return;
    this.#last = last;
    if (this.#boundary.isReached) this.#finish(last);
  }

  /** Ends an open flow in the middle of a frame, where no close frame is allowed. */
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
    // Later bytes are discarded. Reading them is the only way to notice that the other end closes.
    this.from.resume();
  }
}
