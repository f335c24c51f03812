import type { Socket } from 'node:net';
import { BffError } from '../../errors.ts';
import type { EndNotifier } from '../../session/sessions/end-notifier.ts';
import { Tunnel } from './tunnel.ts';

/** "Going away", for a server that stops (RFC 6455 §7.4.1). */
const goingAway = 1001;

/** Ours: the session is over. */
const signedOut = 4401;

/** A place among the WebSockets of a session, taken before the upstream is asked. */
export interface Slot {
  /** Absent: the WebSocket belongs to no session. */
  readonly sessionId: string | undefined;
  /** Gives it back. Once is enough. */
  readonly release: () => void;
}

/** What joins the two connections of a WebSocket. */
export interface Joined {
  readonly browser: Socket;
  readonly upstream: Socket;
  /** Milliseconds of silence after which it is closed. 0: any. */
  readonly idleTimeout: number;
}

/** The WebSockets that are open: they end with their sessions, and with this server. */
export class OpenSockets {
  readonly #tunnels = new Set<Tunnel>();
  /** How many each session has. */
  readonly #counts = new Map<string, number>();
  #isDraining = false;
  #onEmpty: (() => void) | undefined;

  /** `mostPerSession` 0: any number. */
  constructor(
    private readonly ends: EndNotifier,
    private readonly mostPerSession: number,
  ) {}

  /** Throws `rate_limited` if the session has all it may have. */
  take(sessionId: string | undefined): Slot {
    if (sessionId === undefined) return { sessionId, release: () => {} };
    const count = this.#counts.get(sessionId) ?? 0;
    if (this.mostPerSession > 0 && count >= this.mostPerSession) {
      const cause = new Error(`the session has ${count} WebSockets open already`);
      throw new BffError('rate_limited', { cause });
    }
    this.#counts.set(sessionId, count + 1);
    let isTaken = true;
    const leave = () => {
      if (isTaken) this.#release(sessionId);
      isTaken = false;
    };
    return { sessionId, release: leave };
  }

  /**
   * Lets bytes pass between both connections until one of them, the session or this server ends.
   */
  join({ browser, upstream, idleTimeout }: Joined, { sessionId, release: leave }: Slot): void {
    let forget: (() => void) | undefined;
    const tunnel = new Tunnel(browser, upstream, () => {
      forget?.();
      leave();
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
   * Closes all there are and all that will be, and waits until they are closed; that takes a few
   * seconds at most.
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
