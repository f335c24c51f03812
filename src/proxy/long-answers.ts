import type { ServerResponse } from 'node:http';
import type { SessionEnds } from '../session/session-ends.ts';
import type { Headers } from './headers.ts';

/** Answers that run for one to two of these, in milliseconds, are looked after. */
const sweepTime = 500;

/** A request that has waited this long for its answer, in milliseconds, is a long poll. */
const longPoll = 10_000;

/** An answer made for a session, and what is known of both. */
interface Running {
  readonly sessionId: string;
  readonly begun: number;
  /** Absent: the answer has not begun. */
  headers: Headers | undefined;
  sessionHasEnded: boolean;
  forget: (() => void) | undefined;
}

/**
 * Answers that could go on for ever end with the session they were made for: event streams, bodies without a length, long
 * polls. What has an end is answered to its end, so that nobody has to guess whether an order was taken. Short ones, which
 * are nearly all, are only noted: to listen for the end of their sessions would cost more than they do.
 */
export class LongAnswers {
  readonly #running = new Map<ServerResponse, Running>();
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly ends: SessionEnds) {}

  /** Breaks the answer off when the session ends, if it could go on for ever, until `work`, which is what writes it, is done. */
  async endWithSession(
    sessionId: string,
    response: ServerResponse,
    work: Promise<void>,
  ): Promise<void> {
    this.#timer ??= setInterval(() => this.#sweep(), sweepTime).unref();
    const running: Running = {
      sessionId,
      begun: performance.now(),
      headers: undefined,
      sessionHasEnded: false,
      forget: undefined,
    };
    this.#running.set(response, running);
    try {
      await work;
    } finally {
      this.#running.delete(response);
      running.forget?.();
    }
  }

  /** Notes that an answer begins, with these headers. */
  begins(response: ServerResponse, headers: Headers): void {
    const running = this.#running.get(response);
    if (running) running.headers = headers;
  }

  /** Ends the sweeping; the process is about to end. */
  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const now = performance.now();
    for (const [response, running] of this.#running) {
      if (running.sessionHasEnded) endIfEndless(response, running);
      else if (!running.forget && now - running.begun >= sweepTime) this.#listen(response, running);
    }
  }

  #listen(response: ServerResponse, running: Running): void {
    running.forget = this.ends.onEnd(running.sessionId, () => {
      running.sessionHasEnded = true;
      endIfEndless(response, running);
    });
  }
}

/** One that has not begun may still become endless: the next sweep looks again. */
function endIfEndless(response: ServerResponse, { begun, headers }: Running): void {
  const isReading = response.req.method === 'GET';
  const isEndless = headers
    ? isEventStream(headers) || (isReading && headers['content-length'] === undefined)
    : isReading && performance.now() - begun >= longPoll;
  if (isEndless) response.destroy();
}

function isEventStream(headers: Headers): boolean {
  return String(headers['content-type']).startsWith('text/event-stream');
}
