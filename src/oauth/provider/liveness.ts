import { setTimeout } from 'node:timers/promises';
import { Outage, outageBehind } from '../errors.ts';

/** How long a call may take before the provider is probed, in milliseconds. */
const beforeProbe = 700;

/** The timeout of a probe, in milliseconds. */
const probeTimeout = 1000;

/** The timeout of discovery, in milliseconds. Discovery is itself a probe. */
const discoveryPatience = 1600;

/**
 * Distinguishes a slow provider from a hanging one, which accepts connections and never responds.
 * Calls wait for a slow provider only. A probe is a cheap request, and all waiting calls share one.
 */
export class Liveness {
  #probing?: Promise<void> | undefined;

  /** `probe` rejects with the provider's outage. */
  constructor(private readonly probe: (signal: AbortSignal) => Promise<void>) {}

  /**
   * Waits for `work` while the provider responds to probes. Throws `provider_unavailable` if it
   * does not. The work continues, but its result is ignored.
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
    const deadline = new AbortController();
    // After a busy period Node.js runs timers before sockets, where the response may be ready.
    const timer = globalThis.setTimeout(() => setImmediate(() => deadline.abort()), probeTimeout);
    try {
      await this.probe(deadline.signal);
    } catch (error) {
      // Any response shows that the provider is alive. The call itself will report what is wrong.
      if (outageBehind(error)?.status !== undefined) return;
      throw silence(beforeProbe + probeTimeout, error).toBffError();
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Throws `provider_unavailable` if `work` misses the discovery timeout. The work continues. */
export async function withDeadline<T>(work: Promise<T>): Promise<T> {
  const done = await within(discoveryPatience, work);
  if (!done) throw silence(discoveryPatience).toBffError();
  return done.value;
}

/** Wraps the value in an object, to distinguish it from a timeout. */
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
