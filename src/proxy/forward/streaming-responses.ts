import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { EndNotifier } from '../../session/sessions/end-notifier.ts';

/**
 * Milliseconds between two sweeps. An answer that the second of them still finds is looked after.
 */
const sweepTime = 500;

/** A request that has waited this long for its answer, in milliseconds, is a long poll. */
const longPoll = 10_000;

/** An answer made for a session, and what is known of both. */
export interface StreamingResponse {
  readonly sessionId: string;
  readonly response: ServerResponse;
  /** When the first sweep saw it. Absent: none has. */
  seenAt: number | undefined;
  /** The upstream's. Absent: the answer has not begun. */
  headers: IncomingHttpHeaders | undefined;
  sessionHasEnded: boolean;
  forget: (() => void) | undefined;
  /** Its place among the others. */
  place: number;
}

/**
 * Answers that could go on for ever end with the session they were made for: event streams, bodies
 * without a length, long polls. What has an end is answered to its end, so that nobody has to guess
 * whether an order was taken. Short ones, which are nearly all, are only noted: to listen for the
 * end of their sessions would cost more than they do.
 */
export class StreamingResponses {
  /**
   * A list without holes, not a `Map`: of what a map has let go, much stays in memory until the
   * next full collection.
   */
  readonly #running: StreamingResponse[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly ends: EndNotifier) {}

  /**
   * From now on the answer is broken off when the session ends, if it could go on for ever. Its
   * headers are noted in what this returns.
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
      place: this.#running.length,
    };
    this.#running.push(running);
    return running;
  }

  /** It is over. */
  end(running: StreamingResponse): void {
    const last = this.#running.pop();
    if (last && last !== running) {
      this.#running[running.place] = last;
      last.place = running.place;
    }
    running.forget?.();
  }

  /** Ends the sweeping; the process is about to end. */
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

/** One that has not begun may still become endless: the next sweep looks again. */
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
