import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';
import type { SessionBinding } from './session-binding.ts';
import type { SessionNotifier } from '../../session/sessions/session-notifier.ts';
import { Tunnel } from './tunnel.ts';

/** "Going away", for a server that stops (RFC 6455 §7.4.1). */
const goingAway = 1001;

/** The longest delay of a timer of Node.js, in milliseconds. */
const maxTimerDelay = 2 ** 31 - 1;

/** Our own codes: the session or access token has ended, and the rules of the route no longer admit the user. */
const signedOut = 4401;
const notAllowed = 4403;

/**
 * One of the WebSockets that a session may open, reserved before the handshake goes to the
 * upstream.
 */
export interface Slot {
  /** `undefined` if the WebSocket belongs to no session. */
  readonly binding: SessionBinding | undefined;
  /** Frees the slot. Further calls have no effect. */
  readonly release: () => void;
}

/** The two connections of a WebSocket, and its idle timeout. */
export interface SocketPair {
  readonly browser: Socket;
  readonly upstream: Socket;
  /** Closes the WebSocket after this time without data, in milliseconds. 0 means no limit. */
  readonly idleTimeout: number;
}

/**
 * The open WebSockets. It closes them when their session ends, when the rules of their route no
 * longer admit the user, or when the server stops.
 */
export class OpenSockets {
  readonly #tunnels = new Set<Tunnel>();
  /** Number of slots that each session or foreign subject has taken. */
  readonly #counts = new Map<string, number>();
  #isDraining = false;
  #onEmpty: (() => void) | undefined;

  /** `maxPerSession` 0 means no limit. */
  constructor(
    private readonly sessions: SessionNotifier,
    private readonly maxPerSession: number,
    private readonly clock: Clock,
  ) {}

  /** Takes a slot for a session. Throws `rate_limited` if the session has none left. */
  take(binding: SessionBinding | undefined): Slot {
    if (!binding) return { binding, release: () => {} };
    const { owner } = binding;
    const count = this.#counts.get(owner) ?? 0;
    if (this.maxPerSession > 0 && count >= this.maxPerSession) {
      const cause = new Error(`the session has ${count} WebSockets open already`);
      throw new BffError('rate_limited', { cause });
    }
    this.#counts.set(owner, count + 1);
    let isTaken = true;
    const release = () => {
      if (isTaken) this.#release(owner);
      isTaken = false;
    };
    return { binding, release };
  }

  /** Joins both connections until one of them, the session or the server ends. */
  join({ browser, upstream, idleTimeout }: SocketPair, { binding, release }: Slot): void {
    let unsubscribe: (() => void) | undefined;
    const tunnel = new Tunnel(browser, upstream, () => {
      unsubscribe?.();
      release();
      this.#tunnels.delete(tunnel);
      if (this.#tunnels.size === 0) this.#onEmpty?.();
    });
    this.#tunnels.add(tunnel);
    if (binding) unsubscribe = this.#watch(binding, tunnel);
    if (idleTimeout > 0) browser.setTimeout(idleTimeout, () => tunnel.close(goingAway));
    if (this.#isDraining) tunnel.close(goingAway);
  }

  #watch(binding: SessionBinding, tunnel: Tunnel): () => void {
    const { sessionId, expiresAt } = binding;
    const stops = [
      sessionId !== undefined && this.#watchSession(sessionId, binding, tunnel),
      expiresAt !== undefined && this.#watchExpiry(expiresAt, tunnel),
    ];
    return () => {
      for (const stop of stops) if (stop) stop();
    };
  }

  #watchExpiry(expiresAt: number, tunnel: Tunnel): () => void {
    const left = expiresAt - this.clock();
    const again = () => {
      if (left <= maxTimerDelay) return tunnel.close(signedOut);
      stop = this.#watchExpiry(expiresAt, tunnel);
    };
    const timer = setTimeout(again, Math.min(left, maxTimerDelay)).unref();
    let stop = () => clearTimeout(timer);
    return () => stop();
  }

  #watchSession(sessionId: string, { isStillAllowed }: SessionBinding, tunnel: Tunnel): () => void {
    const recheck = async () => {
      if (!(await isStillAllowed?.())) tunnel.close(notAllowed);
    };
    return this.sessions.subscribe(sessionId, {
      onEnd: () => tunnel.close(signedOut),
      onChange: isStillAllowed && (() => void recheck()),
    });
  }

  /**
   * Closes all current and future WebSockets. Resolves when the current ones are closed, after a
   * few seconds at most.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    if (this.#tunnels.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    for (const tunnel of this.#tunnels) tunnel.close(goingAway);
    await promise;
  }

  #release(owner: string): void {
    const count = (this.#counts.get(owner) ?? 0) - 1;
    if (count > 0) this.#counts.set(owner, count);
    else this.#counts.delete(owner);
  }
}
