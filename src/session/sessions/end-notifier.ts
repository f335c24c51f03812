import type { SessionStore } from './session-store.ts';

/** So long after the time a session has left, in milliseconds, Redis knows that it is over. */
const margin = 20;

/** A store that does not answer is asked again after this time, in milliseconds. */
const pause = 500;

/** The longest time a timer can wait, in milliseconds. */
const longestWait = 2 ** 31 - 1;

/** How many sessions are looked at together, when any may have ended. */
const looksAtOnce = 100;

type Listener = () => void;

/** What is known of a session somebody waits for. */
interface Waiting {
  readonly listeners: Set<Listener>;
  /** Until its time is over, if nothing else comes. */
  timer: NodeJS.Timeout | undefined;
  look: 'none' | 'under way' | 'to be repeated';
}

/**
 * Tells of the end of sessions, however and wherever they end, for what lives longer than a
 * request. Whoever changes a session makes us look at it at once, and nobody has to look when
 * nothing happens but at the end of its time. A store that does not answer ends nothing.
 */
export class EndNotifier {
  readonly #waiting = new Map<string, Waiting>();
  #isLookingAtAll = false;
  #mustLookAtAll = false;

  constructor(private readonly store: SessionStore) {
    store.watch((id) => void (id === undefined ? this.#lookAtAll() : this.#look(id)));
  }

  /**
   * Calls `listener` once, when the session ends or if it has ended already. What it gives back
   * takes that back.
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
    // An answer that is on its way may be older than what makes us look.
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

  /** How long to wait until the next look, in milliseconds. Absent: the session is over. */
  async #timeLeft(id: string): Promise<number | undefined> {
    try {
      const left = await this.store.timeLeft(id);
      return left === undefined ? undefined : Math.min(left + margin, longestWait);
    } catch {
      return pause; // an outage is no end
    }
  }

  /** In portions: thousands at once would hold up everything else. */
  async #lookAtAll(): Promise<void> {
    // What is missed while we look may be about one that we have looked at already.
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
