import type { SessionStore } from './session-store.ts';

/**
 * Added to a session's time to live, in milliseconds, so that Redis reports it as expired by then.
 */
const margin = 20;

/** The delay before a store that failed is read again, in milliseconds. */
const retryDelay = 500;

/** The longest delay of a Node.js timer, in milliseconds. */
const maxTimerDelay = 2 ** 31 - 1;

/** The number of sessions that are checked concurrently after events were lost. */
const maxConcurrentChecks = 100;

/** What a connection that outlives its request does when its session changes. */
export interface SessionListener {
  /** Called once when the session ends, or soon if it has ended already. */
  readonly onEnd: () => void;
  /**
   * Called soon after the subscription, and after each change of the session, such as new claims.
   * It may be called without a change. Optional.
   */
  readonly onChange?: (() => void) | undefined;
}

/** The state of a session that has listeners. */
interface Waiting {
  readonly listeners: Set<SessionListener>;
  /** Fires when the session may have expired. */
  timer: NodeJS.Timeout | undefined;
  check: 'none' | 'under way' | 'to be repeated';
}

/**
 * Notifies listeners when a session ends or changes, on any replica, for connections that outlive
 * their request. Every change of a session triggers a check, as does the end of its time to live.
 * There is no polling. An outage of the store ends no session.
 */
export class SessionNotifier {
  readonly #waiting = new Map<string, Waiting>();
  #isCheckingAll = false;
  #mustCheckAll = false;

  constructor(private readonly store: SessionStore) {
    store.watch((id) => void (id === undefined ? this.#checkAll() : this.#check(id)));
  }

  /**
   * Calls `onEnd` once when the session ends, or soon if it has ended already. The returned
   * function removes the listener.
   */
  onEnd(id: string, onEnd: () => void): () => void {
    return this.subscribe(id, { onEnd });
  }

  /** Calls a listener about this session. The returned function removes the listener. */
  subscribe(id: string, listener: SessionListener): () => void {
    const existing = this.#waiting.get(id);
    const listeners = new Set<SessionListener>();
    const waiting = existing ?? { listeners, timer: undefined, check: 'none' };
    waiting.listeners.add(listener);
    this.#waiting.set(id, waiting);
    if (!existing || listener.onChange) void this.#check(id);
    return () => {
      waiting.listeners.delete(listener);
      if (waiting.listeners.size === 0) this.#forget(id, waiting);
    };
  }

  #forget(id: string, waiting: Waiting): void {
    clearTimeout(waiting.timer);
    if (this.#waiting.get(id) === waiting) this.#waiting.delete(id);
  }

  #notifyEnd(id: string, waiting: Waiting): void {
    this.#forget(id, waiting);
    for (const { onEnd } of waiting.listeners) onEnd();
  }

  async #check(id: string): Promise<void> {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    const isUnderWay = waiting.check !== 'none';
    // A response in transit may be older than the change that triggered this check.
    waiting.check = isUnderWay ? 'to be repeated' : 'under way';
    if (isUnderWay) return;
    const left = await this.#timeLeft(id);
    const mustRepeat = (waiting.check as Waiting['check']) === 'to be repeated';
    waiting.check = 'none';
    if (this.#waiting.get(id) !== waiting) return;
    if (left === undefined) return this.#notifyEnd(id, waiting);
    for (const { onChange } of waiting.listeners) onChange?.();
    clearTimeout(waiting.timer);
    waiting.timer = setTimeout(() => void this.#check(id), mustRepeat ? 0 : left).unref();
  }

  /** The milliseconds until the next check, `undefined` if the session has ended. */
  async #timeLeft(id: string): Promise<number | undefined> {
    try {
      const left = await this.store.timeLeft(id);
      return left === undefined ? undefined : Math.min(left + margin, maxTimerDelay);
    } catch {
      return retryDelay; // an outage does not end the session
    }
  }

  /** Checks sessions in batches: thousands of concurrent checks would delay all other work. */
  async #checkAll(): Promise<void> {
    // If events are lost during a pass, they may concern a session that this pass already checked.
    this.#mustCheckAll = true;
    if (this.#isCheckingAll) return;
    this.#isCheckingAll = true;
    while (this.#mustCheckAll) {
      this.#mustCheckAll = false;
      const ids = [...this.#waiting.keys()];
      for (let next = 0; next < ids.length; next += maxConcurrentChecks) {
        await Promise.all(ids.slice(next, next + maxConcurrentChecks).map((id) => this.#check(id)));
      }
    }
    this.#isCheckingAll = false;
  }
}
