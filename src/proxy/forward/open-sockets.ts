import type { Socket } from 'node:net';
import { BffError } from '../../errors.ts';
import type { EndNotifier } from '../../session/sessions/end-notifier.ts';
import { Tunnel } from './tunnel.ts';

/** "Going away", for a server that stops (RFC 6455 §7.4.1). */
const goingAway = 1001;

/** Our own code: the session has ended. */
const signedOut = 4401;

/**
 * One of the WebSockets that a session may open, reserved before the handshake goes to the
 * upstream.
 */
export interface Slot {
  /** `undefined` if the WebSocket belongs to no session. */
  readonly sessionId: string | undefined;
  /** Frees the slot. Further calls have no effect. */
  readonly release: () => void;
}

/** The two connections of a WebSocket. */
export interface Joined {
  readonly browser: Socket;
  readonly upstream: Socket;
  /** Closes the WebSocket after this time without data, in milliseconds. 0 means no limit. */
  readonly idleTimeout: number;
}

/** The open WebSockets. They close when their session ends or the server stops. */
export class OpenSockets {
  readonly #tunnels = new Set<Tunnel>();
  /** Number of slots that each session has taken. */
  readonly #counts = new Map<string, number>();
  #isDraining = false;
  #onEmpty: (() => void) | undefined;

  /** `mostPerSession` 0 means no limit. */
  constructor(
    private readonly ends: EndNotifier,
    private readonly mostPerSession: number,
  ) {}

  /** Takes a slot for a session. Throws `rate_limited` if the session has none left. */
  take(sessionId: string | undefined): Slot {
    if (sessionId === undefined) return { sessionId, release: () => {} };
    const count = this.#counts.get(sessionId) ?? 0;
    if (this.mostPerSession > 0 && count >= this.mostPerSession) {
      const cause = new Error(`the session has ${count} WebSockets open already`);
      throw new BffError('rate_limited', { cause });
    }
    this.#counts.set(sessionId, count + 1);
    let isTaken = true;
    const release = () => {
      if (isTaken) this.#release(sessionId);
      isTaken = false;
    };
    return { sessionId, release };
  }

  /** Joins both connections until one of them, the session or the server ends. */
  join({ browser, upstream, idleTimeout }: Joined, { sessionId, release }: Slot): void {
    let forget: (() => void) | undefined;
    const tunnel = new Tunnel(browser, upstream, () => {
      forget?.();
      release();
      this.#tunnels.delete(tunnel);
      if (this.#tunnels.size === 0) this.#onEmpty?.();
    });
    this.#tunnels.add(tunnel);
    if (sessionId !== undefined) {
      forget = this.ends.onEnd(sessionId, () => tunnel.close(signedOut));
    }
    if (idleTimeout > 0) browser.setTimeout(idleTimeout, () => tunnel.close(goingAway));
    if (this.#isDraining) tunnel.close(goingAway);
  }

  /**
   * Closes all WebSockets, also those that are opened later, and resolves when the current ones are
   * closed, which takes a few seconds at most.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    if (this.#tunnels.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    for (const tunnel of this.#tunnels) tunnel.close(goingAway);
    await promise;
  }

  #release(sessionId: string): void {
    const count = (this.#counts.get(sessionId) ?? 0) - 1;
    if (count > 0) this.#counts.set(sessionId, count);
    else this.#counts.delete(sessionId);
  }
}
