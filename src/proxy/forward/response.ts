import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { type HeaderList, without } from '../headers/request-headers.ts';

/**
 * The maximum size of a response that is copied in order to send it in one write, in bytes. For
 * larger ones a second write is cheaper.
 */
const maxSmallResponse = 8 * 1024;

const noBytes = Buffer.alloc(0);

/** Writes a response to the browser. Pauses the upstream when the browser reads too slowly. */
export class ResponseWriter {
  hasBegun = false;
  readonly #response: ServerResponse;
  /** The first bytes, held until `#flush`, so that a small response needs only one write. */
  #first: Buffer | undefined;
  /**
   * Further chunks received before the response began. They are joined only once, because joining
   * them at each chunk takes quadratic time.
   */
  #more: Buffer[] | undefined;
  #isFlushed = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /**
   * Writes the head, together with the body bytes that arrive in the same turn of the event loop.
   */
  begin(controller: Dispatcher.DispatchController, status: number, headers: HeaderList): void {
    // "A server MUST NOT send a Content-Length header field in any response with a status code of …
    // 204" (RFC 9110 §8.6).
    const allowed = status === 204 ? without('content-length', headers) : headers;
    this.#response.writeHead(status, allowed);
    this.hasBegun = true;
    // Even without a body yet: an event stream may be silent for a long time.
    process.nextTick(() => this.#flush(controller));
  }

  /**
   * Writes body bytes, or holds them if the response has not begun: when a connection ends, undici
   * delivers the rest even while it is paused.
   */
  take(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#first && !this.#isFlushed) this.#first = chunk;
    else if (!this.hasBegun) (this.#more ??= []).push(chunk);
    else {
      this.#flush(controller);
      this.#write(controller, chunk);
    }
  }

  /** Drops the held bytes of a response that has not begun, because another one replaces it. */
  forget(): void {
    this.#first = undefined;
    this.#more = undefined;
  }

  /** Ends the response after its last byte. */
  complete(): void {
    const first = this.#isFlushed ? undefined : this.#held();
    this.#isFlushed = true;
    if (!first) this.#response.end();
    // Node sends a string in one write with the head.
    else if (first.length <= maxSmallResponse)
      this.#response.end(first.toString('latin1'), 'latin1');
    else this.#response.end(first);
  }

  /** Stops writing, because the client has disconnected or its connection will be closed. */
  abandon(): void {
    this.#isFlushed = true;
  }

  #flush(controller: Dispatcher.DispatchController): void {
    if (this.#isFlushed) return;
    this.#isFlushed = true;
    // `flushHeaders` would encode the headers again.
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
