/** What a signed-out navigation tells about how it arrived. */
export interface Arrival {
  /** `Sec-Fetch-Site`. `undefined` if the browser does not send it. */
  readonly site: string | undefined;
  /** Whether `Referer` is the requested address itself, as after our page that loads it again. */
  readonly isFromHere: boolean;
  /** The count of the arrival cookie. `undefined` if the browser has none for this address. */
  readonly rounds: number | undefined;
  /** Whether the browser sends any cookie of ours. */
  readonly keepsCookies: boolean;
}

/** How often a navigation is sent round to the same address before the user has to act. */
export const mostRounds = 2;

/**
 * Decides what a signed-out navigation gets if the session cookie is `SameSite=Strict`. One from
 * another site brings no such cookie even if there is one, so it is sent round: to the same address
 * again, from our own origin. So is one to where a sign-in has just ended, because browsers disagree
 * about cookies after redirects through another site. `stuck` is for browsers that do not keep or
 * do not send cookies.
 */
export function nextStep(arrival: Arrival): 'round' | 'sign-in' | 'stuck' {
  const { isFromHere, rounds, keepsCookies } = arrival;
  const hasNoCookies = isFromHere && !keepsCookies;
  if (!isForeign(arrival)) return hasNoCookies ? 'stuck' : 'sign-in';
  const before = rounds ?? (hasNoCookies ? mostRounds : 0);
  return before < mostRounds ? 'round' : 'stuck';
}

function isForeign({ site, isFromHere, rounds }: Arrival): boolean {
  if (site === 'cross-site' || site === 'same-site') return true;
  const isOurs = site === 'same-origin' || (site === undefined && isFromHere);
  return !isOurs && rounds !== undefined;
}
