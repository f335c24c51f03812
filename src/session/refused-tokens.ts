import { BffError } from '../errors.ts';
import type { TokenSet } from '../oauth/tokens.ts';

/**
 * For how long a token that has replaced a refused one is not replaced because of another refusal,
 * in milliseconds. Without it an upstream that refuses every token costs a token request a call.
 */
export const betweenReplacements = 30_000;

/** Whether a refusal has led to a new token within the last 30 seconds. */
export function isJustReplaced({ refusedAt }: TokenSet, now: number): boolean {
  // The clock of the replica that noted it may be ahead of ours.
  return refusedAt !== undefined && Math.abs(now - refusedAt) < betweenReplacements;
}

/**
 * What a new token notes about refusals: the time, if it replaces a refused token, otherwise what
 * the token before it has noted within the last 30 seconds.
 */
export function refusalNote(
  fresh: TokenSet,
  before: TokenSet | undefined,
  isRefused: boolean,
): Pick<TokenSet, 'refusedAt'> {
  const { obtainedAt } = fresh;
  if (isRefused) return { refusedAt: obtainedAt };
  const refusedAt = before && isJustReplaced(before, obtainedAt) ? before.refusedAt : undefined;
  return refusedAt === undefined ? {} : { refusedAt };
}

/** Why a refused token is not replaced: the code of the outcome is `token_refused`. */
export function refusedAgain(): BffError {
  const cause = new Error('the upstream has refused the token before it as well');
  return new BffError('token_refused', { cause });
}

/**
 * Whether two token sets come from the same response. A provider may issue the same access token
 * again, for longer: that is another one.
 */
export function isSameToken(one: TokenSet, other: TokenSet): boolean {
  return (
    one.accessToken === other.accessToken &&
    one.obtainedAt === other.obtainedAt &&
    one.refusedAt === other.refusedAt
  );
}
