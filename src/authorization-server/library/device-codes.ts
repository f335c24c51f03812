import { randomUUID } from 'node:crypto';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { currentContext } from './current-context.ts';
import type { LibraryRecords } from './records.ts';
import { pollInterval } from './rules.ts';

/** How many wrong codes one address may enter in ten minutes, and all together. */
const mostGuesses = { ofAddress: 20, ofAll: 1000 };

/**
 * Refuses a device that asks for its tokens again before the interval is over, with `slow_down`
 * (RFC 8628 §3.5). Called whenever the library reads a device code.
 */
export async function refuseEarlyPoll(records: LibraryRecords, deviceCode: string): Promise<void> {
  if (currentContext()?.oidc.route !== 'token') return;
  if (await records.create('Poll', deviceCode, {}, pollInterval)) return;
  throw new errors.SlowDown();
}

/**
 * Looks a user code up. A wrong one takes one of a limited number of guesses (RFC 8628 §5.1).
 * Throws `SlowDown` if none is left.
 */
export async function guessing<T>(
  records: LibraryRecords,
  addressOf: (context: KoaContextWithOIDC) => string,
  lookUp: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const context = currentContext();
  const address = context ? addressOf(context) : '';
  const guess = randomUUID();
  const limits = [
    ['guesses', mostGuesses.ofAll],
    [`guesses:${address}`, mostGuesses.ofAddress],
  ] as const;
  for (const [name, most] of limits)
    if (!(await records.takeGuess(name, guess, most))) throw new errors.SlowDown();
  const found = await lookUp();
  if (found) await Promise.all(limits.map(([name]) => records.freeGuess(name, guess)));
  return found;
}
