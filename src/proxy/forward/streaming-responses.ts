import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { EndNotifier } from '../../session/sessions/end-notifier.ts';

/**
 * Time between two sweeps, in milliseconds. A response that is still running in the second sweep is
 * watched.
 */
const sweepTime = 500;

/** A request without a response after this time is a long poll, in milliseconds. */
const longPoll = 10_000;

/** A running response that belongs to a session. */
export interface StreamingResponse {
  readonly sessionId: string;
  readonly response: ServerResponse;
  /** Time of the first sweep that saw it, by `performance.now()`. */
  seenAt: number | undefined;
  /** The upstream's headers. `undefined` until the response begins. */
  headers: IncomingHttpHeaders | undefined;
  sessionHasEnded: boolean;
  forget: (() => void) | undefined;
  /** Its index in the list of running responses. */
  index: number;
}

/**
 * Ends endless responses with their session: event streams, bodies without a length, long polls.
 * Finite responses are completed, so that the client knows the result of a write. Short responses
 * are only recorded, because watching their session would cost more than serving them.
 */
export class StreamingResponses {
  /**
   * A dense array instead of a `Map`: a map keeps much of the memory of removed entries until the
   * next full garbage collection.
   */
  readonly #running: StreamingResponse[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly ends: EndNotifier) {}

  /**
   * Registers a response, which is destroyed when the session ends if it is endless. The caller
   * sets `headers` when the response begins, and calls `end` when it is over.
   */
  begin(sessionId: string, response: ServerResponse): StreamingResponse {
    this.#timer ??= setInterval(() => this.#sweep(), sweepTime).unref();
    const running: StreamingResponse = {
      sessionId,
      response,
      seenAt: undefined,
      headers: undefined,
      sessionHasEnded: false,
      forget: undefined,
      index: this.#running.length,
    };
    this.#running.push(running);
    return running;
  }

  /** Removes a response that is over. */
  end(running: StreamingResponse): void {
    const last = this.#running.pop();
    if (last && last !== running) {
      this.#running[running.index] = last;
      last.index = running.index;
    }
    running.forget?.();
  }

  /** Stops the sweeps, before the process exits. */
  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const now = performance.now();
    for (const running of this.#running.slice()) {
      if (running.sessionHasEnded) endIfEndless(running);
      else if (running.seenAt === undefined) running.seenAt = now;
      else if (!running.forget) this.#listen(running);
    }
  }

  #listen(running: StreamingResponse): void {
    running.forget = this.ends.onEnd(running.sessionId, () => {
      running.sessionHasEnded = true;
      endIfEndless(running);
    });
  }
}

/**
 * Destroys an endless response. One that has not begun may still become endless, so each sweep
 * checks it again.
 */
function endIfEndless({ response, seenAt, headers }: StreamingResponse): void {
  const isReading = response.req.method === 'GET';
  const isEndless = headers
    ? isEventStream(headers) || (isReading && headers['content-length'] === undefined)
    : isReading && seenAt !== undefined && performance.now() - seenAt >= longPoll;
  if (isEndless) response.destroy();
}

function isEventStream(headers: IncomingHttpHeaders): boolean {
  return String(headers['content-type']).startsWith('text/event-stream');
}
