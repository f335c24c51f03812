import type { SessionStore } from './session-store.ts';

/** Added to a session's time to live, in milliseconds. Redis then reports it as expired. */
const margin = 20;

/** The delay before a store that failed is read again, in milliseconds. */
const pause = 500;

/** The longest delay of a Node.js timer, in milliseconds. */
const longestWait = 2 ** 31 - 1;

/** The number of sessions that are checked concurrently after events were lost. */
const checksAtOnce = 100;

type Listener = () => void;

/** The state of a session that has listeners. */
interface Waiting {
  readonly listeners: Set<Listener>;
  /** Fires when the session may have expired. */
  timer: NodeJS.Timeout | undefined;
  check: 'none' | 'under way' | 'to be repeated';
}

/**
 * Notifies listeners when a session ends, on any replica, for connections that outlive their
 * request. Every change of a session triggers a check, as does the end of its time to live. There
 * is no polling. An outage of the store ends no session.
 */
export class EndNotifier {
  readonly #waiting = new Map<string, Waiting>();
  #isCheckingAll = false;
  #mustCheckAll = false;

  constructor(private readonly store: SessionStore) {
    store.watch((id) => void (id === undefined ? this.#checkAll() : this.#check(id)));
  }

  /**
   * Calls `listener` once when the session ends, or soon if it has ended already. The returned
   * function removes the listener.
   */
  onEnd(id: string, listener: Listener): () => void {
    const existing = this.#waiting.get(id);
    const waiting = existing ?? { listeners: new Set<Listener>(), timer: undefined, check: 'none' };
    waiting.listeners.add(listener);
    this.#waiting.set(id, waiting);
    if (!existing) void this.#check(id);
    return () => {
      waiting.listeners.delete(listener);
      if (waiting.listeners.size === 0) this.#forget(id, waiting);
    };
  }

  #forget(id: string, waiting: Waiting): void {
    clearTimeout(waiting.timer);
    if (this.#waiting.get(id) === waiting) this.#waiting.delete(id);
  }

  #notify(id: string, waiting: Waiting): void {
    this.#forget(id, waiting);
    for (const listener of waiting.listeners) listener();
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
    if (left === undefined) return this.#notify(id, waiting);
    clearTimeout(waiting.timer);
    waiting.timer = setTimeout(() => void this.#check(id), mustRepeat ? 0 : left).unref();
  }

  /** The milliseconds until the next check, `undefined` if the session has ended. */
  async #timeLeft(id: string): Promise<number | undefined> {
    try {
      const left = await this.store.timeLeft(id);
      return left === undefined ? undefined : Math.min(left + margin, longestWait);
    } catch {
      return pause; // an outage does not end the session
    }
  }

  /** Checks sessions in batches: thousands of concurrent checks would delay all other work. */
  async #checkAll(): Promise<void> {
    // Events lost during a pass may concern a session that was checked already.
    this.#mustCheckAll = true;
    if (this.#isCheckingAll) return;
    this.#isCheckingAll = true;
    while (this.#mustCheckAll) {
      this.#mustCheckAll = false;
      const ids = [...this.#waiting.keys()];
      for (let next = 0; next < ids.length; next += checksAtOnce) {
        await Promise.all(ids.slice(next, next + checksAtOnce).map((id) => this.#check(id)));
      }
    }
    this.#isCheckingAll = false;
  }
}
