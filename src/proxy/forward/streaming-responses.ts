import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Clock } from '../../clock.ts';
import type { ConnectionBinding } from './connection-binding.ts';
import type { SessionNotifier } from '../../session/sessions/session-notifier.ts';

/**
 * The interval of sweeps, in milliseconds. From its second sweep on, a running response is notified
 * of the end of its session.
 */
const sweepInterval = 500;

/** Milliseconds after which a request without a response counts as a long poll. */
const longPollTime = 10_000;

/** A running response that belongs to a session or an access token. */
export interface StreamingResponse {
  readonly binding: ConnectionBinding;
  readonly response: ServerResponse;
  /** Time of the first sweep that saw it, by `performance.now()`. */
  seenAt: number | undefined;
  /** The upstream's headers. `undefined` until the response begins. */
  headers: IncomingHttpHeaders | undefined;
  /** Whether the session has ended, or the rules of the route no longer admit the user. */
  isRevoked: boolean;
  unsubscribe: (() => void) | undefined;
  /** Its index in the list of running responses. */
  index: number;
}

/**
 * Ends endless responses with their session or access token, or when the rules of their route no
 * longer admit the user: event streams, bodies without a length, long polls. Finite responses are
 * completed, so that the client knows the result of a write. Short responses are only recorded,
 * because a listener for the end of their session would cost more than serving them.
 */
export class StreamingResponses {
  /**
   * A dense array instead of a `Map`: a map keeps much of the memory of removed entries until the
   * next full garbage collection.
   */
  readonly #running: StreamingResponse[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly sessions: SessionNotifier,
    private readonly clock: Clock,
  ) {}

  /**
   * Registers a response, which is destroyed when the session ends if it is endless. The caller
   * sets `headers` when the response begins, and calls `end` when it is over.
   */
  begin(binding: ConnectionBinding, response: ServerResponse): StreamingResponse {
    this.#timer ??= setInterval(() => this.#sweep(), sweepInterval).unref();
    const running: StreamingResponse = {
      binding,
      response,
      seenAt: undefined,
      headers: undefined,
      isRevoked: false,
      unsubscribe: undefined,
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
    running.unsubscribe?.();
  }

  /** Stops the sweeps, before the process exits. */
  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const now = performance.now();
    for (const running of this.#running.slice()) {
      const { endsAt } = running.binding;
      if (endsAt !== undefined && endsAt <= this.clock()) running.isRevoked = true;
      if (running.isRevoked) endIfEndless(running);
      else if (running.seenAt === undefined) running.seenAt = now;
      else if (!running.unsubscribe) this.#listen(running);
    }
  }

  #listen(running: StreamingResponse): void {
    const { sessionId, isStillAllowed } = running.binding;
    if (sessionId === undefined) return;
    const revoke = () => {
      running.isRevoked = true;
      endIfEndless(running);
    };
    const recheck = async () => {
      if (!(await isStillAllowed?.())) revoke();
    };
    running.unsubscribe = this.sessions.subscribe(sessionId, {
      onEnd: revoke,
      onChange: isStillAllowed && (() => void recheck()),
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
    : isReading && seenAt !== undefined && performance.now() - seenAt >= longPollTime;
  if (isEndless) response.destroy();
}

function isEventStream(headers: IncomingHttpHeaders): boolean {
  return String(headers['content-type']).startsWith('text/event-stream');
}
