/** The facts about a signed-out navigation that show where it comes from. */
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

/** How often the same address is loaded again before the user has to act. */
export const mostRounds = 2;

/**
 * Decides the response to a signed-out navigation if the session cookie is `SameSite=Strict`.
 * Browsers do not send such a cookie with a navigation from another site, so the address is loaded
 * again, from our own origin (`round`). The same applies to the address that a sign-in returns to,
 * because browsers differ in the cookies they send after redirects through another site. `stuck` is
 * for browsers that do not keep or do not send cookies.
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
