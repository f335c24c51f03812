import { setTimeout as delay } from 'node:timers/promises';

/** How long `waitFor` tries, and how often; milliseconds. */
export interface WaitOptions {
  readonly timeout?: number;
  readonly interval?: number;
}

/**
 * Asks again and again until the answer is something, and returns it. `false`, `null` and a thrown
 * error mean "not yet"; `undefined` means yes, so that an assertion can be asked. After the timeout
 * (15 seconds when not given, so that a busy machine is no failure) the last error is thrown as it
 * is.
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
