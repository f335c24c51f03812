import type { ServerResponse } from 'node:http';
import type { SessionEnds } from '../session/session-ends.ts';

/** An answer that runs for one to two of these, in milliseconds, is a long one: an event stream, a long poll, a download. */
const sweepTime = 500;

/**
 * Answers made for a session that outlive ordinary ones end with it. Short ones, which are nearly all, are only noted: to
 * listen for the end of their sessions would cost more than they do.
 */
export class LongAnswers {
  /** Those that began since the last sweep, and since the one before; with the ids of their sessions. */
  #young = new Map<ServerResponse, string>();
  #older = new Map<ServerResponse, string>();
  /** The long ones, each with what to call when it is over. */
  readonly #long = new Map<ServerResponse, () => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly ends: SessionEnds) {}

  /** Breaks the answer off when the session ends, until `work`, which is what writes it, is done. */
  async endWithSession(id: string, response: ServerResponse, work: Promise<void>): Promise<void> {
    this.#timer ??= setInterval(() => this.#sweep(), sweepTime).unref();
    this.#young.set(response, id);
    try {
      await work;
    } finally {
      this.#forget(response);
    }
  }

  /** Ends the sweeping; the process is about to end. */
  close(): void {
    clearInterval(this.#timer);
  }

  #forget(response: ServerResponse): void {
    if (this.#young.delete(response) || this.#older.delete(response)) return;
    this.#long.get(response)?.();
    this.#long.delete(response);
  }

  #sweep(): void {
    for (const [response, id] of this.#older) {
      this.#long.set(
        response,
        this.ends.onEnd(id, () => response.destroy()),
      );
    }
    this.#older = this.#young;
    this.#young = new Map();
  }
}
