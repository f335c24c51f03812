import type { SessionStore } from './session-store.ts';

/** Added to a session's time to live, in milliseconds. Redis then reports it as expired. */
const margin = 20;

/** The delay before a store that failed is read again, in milliseconds. */
const pause = 500;

/** The longest delay of a Node.js timer, in milliseconds. */
const longestWait = 2 ** 31 - 1;

/** The number of sessions that are checked concurrently after events were lost. */
const looksAtOnce = 100;

type Listener = () => void;

/** The state of a session that has listeners. */
interface Waiting {
  readonly listeners: Set<Listener>;
  /** Fires when the session may have expired. */
  timer: NodeJS.Timeout | undefined;
  look: 'none' | 'under way' | 'to be repeated';
}

/**
 * Notifies listeners when a session ends, on any replica, for connections that outlive their
 * request. Every change of a session triggers a check, as does the end of its time to live. There
 * is no polling. An outage of the store ends no session.
 */
export class EndNotifier {
  readonly #waiting = new Map<string, Waiting>();
  #isLookingAtAll = false;
  #mustLookAtAll = false;

  constructor(private readonly store: SessionStore) {
    store.watch((id) => void (id === undefined ? this.#lookAtAll() : this.#look(id)));
  }

  /**
   * Calls `listener` once when the session ends, or soon if it has ended already. The returned
   * function removes the listener.
   */
  onEnd(id: string, listener: Listener): () => void {
    const known = this.#waiting.get(id);
    const waiting = known ?? { listeners: new Set<Listener>(), timer: undefined, look: 'none' };
    waiting.listeners.add(listener);
    this.#waiting.set(id, waiting);
    if (!known) void this.#look(id);
    return () => {
      waiting.listeners.delete(listener);
      if (waiting.listeners.size === 0) this.#forget(id, waiting);
    };
  }

  #forget(id: string, waiting: Waiting): void {
    clearTimeout(waiting.timer);
    if (this.#waiting.get(id) === waiting) this.#waiting.delete(id);
  }

  #tell(id: string, waiting: Waiting): void {
    this.#forget(id, waiting);
    for (const listener of waiting.listeners) listener();
  }

  async #look(id: string): Promise<void> {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    const isUnderWay = waiting.look !== 'none';
    // A response in transit may be older than the change that triggered this check.
    waiting.look = isUnderWay ? 'to be repeated' : 'under way';
    if (isUnderWay) return;
    const left = await this.#timeLeft(id);
    const again = (waiting.look as Waiting['look']) === 'to be repeated';
    waiting.look = 'none';
    if (this.#waiting.get(id) !== waiting) return;
    if (left === undefined) return this.#tell(id, waiting);
    clearTimeout(waiting.timer);
    waiting.timer = setTimeout(() => void this.#look(id), again ? 0 : left).unref();
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
  async #lookAtAll(): Promise<void> {
    // Events lost during a pass may concern a session that was checked already.
    this.#mustLookAtAll = true;
    if (this.#isLookingAtAll) return;
    this.#isLookingAtAll = true;
    while (this.#mustLookAtAll) {
      this.#mustLookAtAll = false;
      const ids = [...this.#waiting.keys()];
      for (let next = 0; next < ids.length; next += looksAtOnce) {
        await Promise.all(ids.slice(next, next + looksAtOnce).map((id) => this.#look(id)));
      }
    }
    this.#isLookingAtAll = false;
  }
}
