import type { Response } from 'express';
import { BffError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import type { SessionNotifier } from '../../session/sessions/session-notifier.ts';
import type { SessionStore } from '../../session/sessions/session-store.ts';
import { endOf, type Session } from '../../session/sessions/session.ts';

/**
 * The maximum time before the end of a session at which its pages are warned, in milliseconds. The
 * warning is sent at most a quarter of the idle time before the end.
 */
const maxWarning = 60_000;

/**
 * The interval at which a session that is about to end is checked, in milliseconds, because its
 * user may become active.
 */
const intervalNearEnd = 2000;

/** Milliseconds between two comments, which keep proxies from closing an idle connection. */
const commentInterval = 15_000;

/** Milliseconds after which a browser reconnects if the connection is lost. */
const reconnectDelay = 2000;

/** Added to the time of the warning, in milliseconds, so that the check does not run too early. */
const margin = 20;

/**
 * A session that ends less than this before its expected end has expired, in milliseconds. One that
 * ends earlier was signed out.
 */
const tolerance = 1000;

/** The longest delay of a timer, in milliseconds. */
const maxTimerDelay = 2 ** 31 - 1;

/** The maximum number of concurrent streams per session in this process. */
const maxStreams = 20;

/** The state of a session, as an event reports it. */
export type SessionState = 'active' | 'expiring' | 'ended';

/** Why a session ended: it expired, or it was signed out, on any device or by the provider. */
export type EndReason = 'expired' | 'signed_out';

/** What `SessionEvents` depends on. */
export interface SessionSources {
  readonly store: SessionStore;
  readonly ends: SessionNotifier;
  readonly clock: Clock;
  /** The idle time of a session, in milliseconds. */
  readonly idle: number;
}

/** Event streams that report the state of a session to its pages. */
export class SessionEvents {
  /** Open streams by session id. */
  readonly #streams = new Map<string, Set<SessionStream>>();
  #isDraining = false;

  constructor(private readonly sources: SessionSources) {}

  /**
   * Streams the events of a session until the session ends, the client disconnects or the server
   * stops. A stream does not extend the idle time. Throws `rate_limited` if the session already has
   * twenty streams in this process.
   */
  open(session: Session, response: Response): void {
    // The client may have disconnected while the session was read; `close` would not fire again.
    if (response.closed || response.destroyed) return;
    const streams = this.#streams.get(session.id) ?? new Set<SessionStream>();
    if (streams.size >= maxStreams) {
      const cause = new Error(`the session has ${maxStreams} event streams here`);
      throw new BffError('rate_limited', { cause });
    }
    const stream = new SessionStream(session, response, this.sources);
    this.#streams.set(session.id, streams.add(stream));
    response.once('close', () => {
      stream.stop();
      streams.delete(stream);
      if (streams.size === 0) this.#streams.delete(session.id);
    });
    stream.start();
    if (this.#isDraining) response.end();
  }

  /** Ends all current and future streams. Browsers reconnect, and another replica responds. */
  drain(): void {
    this.#isDraining = true;
    for (const streams of this.#streams.values())
      for (const stream of streams) stream.response.end();
  }
}

/** One page's stream. */
class SessionStream {
  #state: SessionState | undefined;
  /** Epoch milliseconds at which the session ends if it is not used, as of the last check. */
  #endsAt: number;
  #unsubscribe: (() => void) | undefined;
  #nextCheck: NodeJS.Timeout | undefined;
  #comments: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(
    private readonly session: Session,
    readonly response: Response,
    private readonly sources: SessionSources,
  ) {
    this.#endsAt = endOf(session);
  }

  start(): void {
    this.response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      // Without this header nginx buffers the events.
      'X-Accel-Buffering': 'no',
    });
    this.response.write(`retry: ${reconnectDelay}\n\n`);
    this.#comments = setInterval(() => this.response.write(':\n\n'), commentInterval);
    this.#unsubscribe = this.sources.ends.onEnd(this.session.id, () => this.#end());
    void this.#check();
  }

  stop(): void {
    this.#isOver = true;
    this.#unsubscribe?.();
    clearTimeout(this.#nextCheck);
    clearInterval(this.#comments);
  }

  async #check(): Promise<void> {
    const { store, clock, idle } = this.sources;
    const warning = Math.min(maxWarning, idle / 4);
    // A failure of the store does not end the session. `SessionNotifier` reports an end once the
    // store is back.
    const left = await store.timeLeft(this.session.id).catch(() => undefined);
    if (this.#isOver) return;
    if (left !== undefined) {
      this.#endsAt = clock() + left;
      this.#send(left <= warning ? 'expiring' : 'active');
    }
    const untilWarning = (left ?? 0) - warning + margin;
    const delay = untilWarning > 0 ? untilWarning : intervalNearEnd;
    this.#nextCheck = setTimeout(() => void this.#check(), Math.min(delay, maxTimerDelay));
  }

  #end(): void {
    const isExpired = this.sources.clock() >= this.#endsAt - tolerance;
    this.#send('ended', isExpired ? 'expired' : 'signed_out');
    this.response.end();
  }

  #send(state: SessionState, reason?: EndReason): void {
    if (this.#state === state) return;
    this.#state = state;
    this.response.write(`event: session\ndata: ${JSON.stringify({ state, reason })}\n\n`);
  }
}
