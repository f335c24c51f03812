import { startDeadline, withDeadline } from '../../http/deadline.ts';
import { Outage, outageBehind } from '../errors.ts';

/** How long a call may take before the provider is probed, in milliseconds. */
const beforeProbe = 700;

/** The timeout of a probe, in milliseconds. */
const probeTimeout = 1000;

/** The timeout of discovery, in milliseconds. Discovery is itself a probe. */
const discoveryTimeout = 1600;

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
      const settled = work.then((value) => ({ value }));
      const done = await withDeadline(settled, beforeProbe, () => undefined);
      if (done) return done.value;
      this.#probing ??= this.#probeOnce().finally(() => (this.#probing = undefined));
      await Promise.race([work, this.#probing]);
    }
  }

  async #probeOnce(): Promise<void> {
    const deadline = new AbortController();
    const cancel = startDeadline(probeTimeout, () => deadline.abort());
    try {
      await this.probe(deadline.signal);
    } catch (error) {
      // Any response shows that the provider is alive. The call itself will report what is wrong.
      if (outageBehind(error)?.status !== undefined) return;
      throw hangingOutage(beforeProbe + probeTimeout, error).toBffError();
    } finally {
      cancel();
    }
  }
}

/** Throws `provider_unavailable` if `work` misses the discovery timeout. The work continues. */
export async function withDiscoveryTimeout<T>(work: Promise<T>): Promise<T> {
  return withDeadline(work, discoveryTimeout, () => {
    throw hangingOutage(discoveryTimeout).toBffError();
  });
}

function hangingOutage(milliseconds: number, cause?: unknown): Outage {
  return new Outage(`no response within ${milliseconds} ms`, { cause, isUnreachable: true });
}
