import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';
import type { ConnectionBinding } from './connection-binding.ts';
import type { SessionNotifier } from '../../session/sessions/session-notifier.ts';
import { Tunnel } from './tunnel.ts';

/** "Going away", for a server that stops (RFC 6455 §7.4.1). */
const goingAway = 1001;

/** The longest delay of a Node.js timer, in milliseconds. */
const maxTimerDelay = 2 ** 31 - 1;

/** Our own code: the session or the access token has ended. */
const signedOut = 4401;

/** Our own code: the rules of the route no longer admit the user. */
const notAllowed = 4403;

/**
 * One of the WebSockets that a session may open, reserved before the handshake goes to the
 * upstream.
 */
export interface Slot {
  /** `undefined` if the WebSocket belongs to no session. */
  readonly binding: ConnectionBinding | undefined;
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
 * The open WebSockets. It closes them when their session or access token ends, when the rules of
 * their route no longer admit the user, or when the server stops.
 */
export class OpenSockets {
  readonly #tunnels = new Set<Tunnel>();
  /** Number of slots that each session or subject has taken. */
  readonly #counts = new Map<string, number>();
  #isDraining = false;
  #onEmpty: (() => void) | undefined;

  /** `maxPerSession` 0 means no limit. */
  constructor(
    private readonly sessions: SessionNotifier,
    private readonly clock: Clock,
    private readonly maxPerSession: number,
  ) {}

  /** Takes a slot for a session or subject. Throws `rate_limited` if it has none left. */
  take(binding: ConnectionBinding | undefined): Slot {
    if (!binding) return { binding, release: () => {} };
    const { owner } = binding;
    const count = this.#counts.get(owner) ?? 0;
    if (this.maxPerSession > 0 && count >= this.maxPerSession) {
      const cause = new Error(`the session or subject has ${count} WebSockets open already`);
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

  #watch(binding: ConnectionBinding, tunnel: Tunnel): () => void {
    const onEnd = () => tunnel.close(signedOut);
    const cancel = this.#at(binding.endsAt, onEnd);
    const unsubscribe = this.#subscribe(binding, tunnel, onEnd);
    return () => {
      cancel();
      unsubscribe?.();
    };
  }

  /** Calls `onEnd` at a time in epoch milliseconds. The returned function cancels it. */
  #at(endsAt: number | undefined, onEnd: () => void): () => void {
    if (endsAt === undefined) return () => {};
    let timer: NodeJS.Timeout | undefined;
    const wait = () => {
      const left = Math.min(Math.max(endsAt - this.clock(), 0), maxTimerDelay);
      timer = setTimeout(() => (endsAt <= this.clock() ? onEnd() : wait()), left).unref();
    };
    wait();
    return () => clearTimeout(timer);
  }

  #subscribe(
    { sessionId, isStillAllowed }: ConnectionBinding,
    tunnel: Tunnel,
    onEnd: () => void,
  ): (() => void) | undefined {
    if (sessionId === undefined) return undefined;
    const recheck = async () => {
      if (!(await isStillAllowed?.())) tunnel.close(notAllowed);
    };
    return this.sessions.subscribe(sessionId, {
      onEnd,
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
