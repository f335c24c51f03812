import { setTimeout as delay } from 'node:timers/promises';

/** How long `waitFor` tries, and how often; milliseconds. */
export interface WaitOptions {
  readonly timeout?: number;
  readonly interval?: number;
}

/**
 * Evaluates a condition again and again until it has a value, and returns the value. `false`,
 * `null` and a thrown error mean "not yet"; `undefined` means yes, so that an assertion can be the
 * condition. After the timeout (15 seconds by default, enough for a busy machine) it throws the
 * last error.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { timeout = 15_000, interval = 10 }: WaitOptions = {},
): Promise<Exclude<T, false | null>> {
  const deadline = performance.now() + timeout;
  let failure: unknown;
  do {
    try {
      const value = await condition();
      if (isThere(value)) return value;
      failure = new Error(`Waited ${timeout} ms in vain for ${condition.toString()}`);
    } catch (error) {
      failure = error;
    }
    await delay(interval);
  } while (performance.now() < deadline);
  throw failure;
}

function isThere<T>(value: T): value is Exclude<T, false | null> {
  return value !== false && value !== null;
}
