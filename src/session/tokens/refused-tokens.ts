import { BffError } from '../../errors.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';

/**
 * The minimum time between two replacements of refused tokens, in milliseconds. Without it, an
 * upstream that refuses every token would cause one token request per call.
 */
export const minReplacementInterval = 30_000;

/** Whether this token, or one before it, replaced a refused token within the last 30 seconds. */
export function isJustReplaced({ refusedAt }: TokenSet, now: number): boolean {
  // The clock of the replica that wrote `refusedAt` may be ahead of ours.
  return refusedAt !== undefined && Math.abs(now - refusedAt) < minReplacementInterval;
}

/**
 * The `refusedAt` of a new token: the current time if it replaces a refused token, otherwise the
 * value of the previous token if that is less than 30 seconds old.
 */
export function refusedAtOf(
  fresh: TokenSet,
  before: TokenSet | undefined,
  isRefused: boolean,
): Pick<TokenSet, 'refusedAt'> {
  const { obtainedAt } = fresh;
  if (isRefused) return { refusedAt: obtainedAt };
  const refusedAt = before && isJustReplaced(before, obtainedAt) ? before.refusedAt : undefined;
  return refusedAt === undefined ? {} : { refusedAt };
}

/**
 * Creates the `token_refused` error for a refused token that is not replaced, because it already
 * replaced a refused one.
 */
export function refusedAgain(): BffError {
  const cause = new Error('the upstream has refused the token before it as well');
  return new BffError('token_refused', { cause });
}

/**
 * Whether two token sets come from the same response. A provider may issue the same access token
 * again with a new lifetime, which counts as a different token.
 */
export function isSameToken(one: TokenSet, other: TokenSet): boolean {
  return (
    one.accessToken === other.accessToken &&
    one.obtainedAt === other.obtainedAt &&
    one.refusedAt === other.refusedAt
  );
}
