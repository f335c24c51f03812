import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/**
 * One HTTP request as a server received it. It is recorded on arrival; `body` grows while the body
 * arrives.
 */
export class RecordedRequest {
  readonly method: string;
  /** The request target exactly as it stood on the wire. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly httpVersion: string;
  /** Epoch milliseconds of arrival. */
  readonly time: number;
  /** Settles when the body has ended, or the sender has gone away before that. */
  readonly ended: Promise<'complete' | 'aborted'>;
  readonly #chunks: Buffer[] = [];
  readonly #incoming: IncomingMessage;

  constructor(incoming: IncomingMessage) {
    this.method = incoming.method ?? '';
    this.url = incoming.url ?? '';
    this.headers = incoming.headers;
    this.rawHeaders = incoming.rawHeaders;
    this.httpVersion = incoming.httpVersion;
    this.time = Date.now();
    this.ended = this.#listen(incoming);
    this.#incoming = incoming;
  }

  /** The path of the target, without its query, not decoded. */
  get path(): string {
    return this.url.split('?', 1)[0] ?? '';
  }

  get query(): URLSearchParams {
    const mark = this.url.indexOf('?');
    return new URLSearchParams(mark === -1 ? '' : this.url.slice(mark + 1));
  }

  get body(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** The body read as `application/x-www-form-urlencoded`. */
  get form(): URLSearchParams {
    return new URLSearchParams(this.body.toString());
  }

  /** Trailers, once `ended` is complete. */
  get rawTrailers(): readonly string[] {
    return this.#incoming.rawTrailers;
  }

  /**
   * Every value of a header in order of arrival; the name is case-insensitive. Empty when it was
   * not sent.
   */
  headerValues(name: string): string[] {
    return this.rawHeaders.filter(
      (_, index) =>
        index % 2 === 1 && this.rawHeaders[index - 1]?.toLowerCase() === name.toLowerCase(),
    );
  }

  // Listening to 'data' would start the flow and take the body away from the handler; the parser
  // delivers through `push`, so we look over its shoulder there.
  #listen(incoming: IncomingMessage): Promise<'complete' | 'aborted'> {
    return new Promise((resolve) => {
      const push = incoming.push.bind(incoming);
      incoming.push = (chunk: unknown, encoding?: BufferEncoding) => {
        if (chunk === null) resolve('complete');
        else if (chunk instanceof Uint8Array) this.#chunks.push(Buffer.from(chunk));
        return push(chunk, encoding);
      };
      incoming.once('close', () => resolve(incoming.complete ? 'complete' : 'aborted'));
    });
  }
}
