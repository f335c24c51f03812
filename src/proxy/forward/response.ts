import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { type HeaderList, without } from '../headers/request-headers.ts';

/** Up to here copying costs less than a second buffer to write, in bytes. */
const smallAnswer = 8 * 1024;

const noBytes = Buffer.alloc(0);

/**
 * An answer on its way to the browser, which an upstream is told to wait for when it falls behind.
 */
export class ResponseWriter {
  hasBegun = false;
  readonly #response: ServerResponse;
  /**
   * The first bytes, held until `#flush`: a small answer that is here already takes but one write.
   */
  #first: Buffer | undefined;
  /**
   * Further chunks received before the response began. Joined once, because joining at each chunk
   * takes quadratic time.
   */
  #more: Buffer[] | undefined;
  #isFlushed = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Sends the head, with the bytes that are there by the end of this turn. */
  begin(controller: Dispatcher.DispatchController, status: number, headers: HeaderList): void {
    // "A server MUST NOT send a Content-Length header field in any response with a status code of …
    // 204" (RFC 9110 §8.6).
    const allowed = status === 204 ? without('content-length', headers) : headers;
    this.#response.writeHead(status, allowed);
    this.hasBegun = true;
    // Soon, with or without a body: an event stream may be silent for long.
    process.nextTick(() => this.#flush(controller));
  }

  /**
   * Takes bytes, also before it has begun: undici empties a connection that ends, though it was
   * told to pause.
   */
  take(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#first && !this.#isFlushed) this.#first = chunk;
    else if (!this.hasBegun) (this.#more ??= []).push(chunk);
    else {
      this.#flush(controller);
      this.#write(controller, chunk);
    }
  }

  /** Another answer will take the place of one that has not begun. */
  forget(): void {
    this.#first = undefined;
    this.#more = undefined;
  }

  /** It was the whole answer. */
  complete(): void {
    const first = this.#isFlushed ? undefined : this.#held();
    this.#isFlushed = true;
    if (!first) this.#response.end();
    // As text it is sent together with the head.
    else if (first.length <= smallAnswer) this.#response.end(first.toString('latin1'), 'latin1');
    else this.#response.end(first);
  }

  /** Nothing more is written: whoever asked has gone, or will see a connection that breaks. */
  abandon(): void {
    this.#isFlushed = true;
  }

  #flush(controller: Dispatcher.DispatchController): void {
    if (this.#isFlushed) return;
    this.#isFlushed = true;
    // Not `flushHeaders`, which would encode them once more.
    this.#write(controller, this.#held() ?? noBytes);
  }

  #held(): Buffer | undefined {
    return this.#first && this.#more ? Buffer.concat([this.#first, ...this.#more]) : this.#first;
  }

  #write(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }
}
