import { setTimeout } from 'node:timers/promises';
import { Outage, outageBehind } from '../errors.ts';

/**
 * How long a call may take before the provider is asked whether it is there at all, in
 * milliseconds.
 */
const beforeProbe = 700;

/** How long it may take to say so, in milliseconds. */
const probePatience = 1000;

/** How long discovery is waited for, which is a probe itself, in milliseconds. */
const discoveryPatience = 1600;

/**
 * Tells a provider that is slow from one that hangs, which accepts connections and never answers:
 * the one is waited for, the other is not. A probe asks for something cheap; there is one at a
 * time, however many wait.
 */
export class Liveness {
  #probing?: Promise<void> | undefined;

  /** `probe` rejects with the provider's outage. */
  constructor(private readonly probe: (signal: AbortSignal) => Promise<void>) {}

  /**
   * What the work comes to, as long as the provider shows signs of life. Throws
   * `provider_unavailable` when it does not; the work goes on, and what becomes of it then is
   * nobody's concern here.
   */
  async whileAlive<T>(work: Promise<T>): Promise<T> {
    for (;;) {
      const done = await within(beforeProbe, work);
      if (done) return done.value;
      this.#probing ??= this.#askForLife().finally(() => (this.#probing = undefined));
      await Promise.race([work, this.#probing]);
    }
  }

  async #askForLife(): Promise<void> {
    const patience = new AbortController();
    // A process that was busy comes to its timers before it comes to its sockets, where the answer
    // may have waited for long.
    const timer = globalThis.setTimeout(() => setImmediate(() => patience.abort()), probePatience);
    try {
      await this.probe(patience.signal);
    } catch (error) {
      // Whatever it said, it said something: the call itself will tell what is wrong.
      if (outageBehind(error)?.status !== undefined) return;
      throw silence(beforeProbe + probePatience, error).toBffError();
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What comes in time. Throws `provider_unavailable` when nothing does; the work goes on. */
export async function withDeadline<T>(work: Promise<T>): Promise<T> {
  const done = await within(discoveryPatience, work);
  if (!done) throw silence(discoveryPatience).toBffError();
  return done.value;
}

/** The value, in an object to tell it from none at all. */
async function within<T>(
  milliseconds: number,
  work: Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  const timer = new AbortController();
  const { signal } = timer;
  try {
    return await Promise.race([
      work.then((value) => ({ value })),
      setTimeout(milliseconds, undefined, { signal }),
    ]);
  } finally {
    timer.abort();
  }
}

function silence(milliseconds: number, cause?: unknown): Outage {
  return new Outage(`no answer within ${milliseconds} ms`, { cause, isUnreachable: true });
}
