/** The facts about a signed-out navigation that show where it comes from. */
export interface Arrival {
  /** `Sec-Fetch-Site`. `undefined` if the browser does not send it. */
  readonly site: string | undefined;
  /** Whether `Referer` is the requested address itself, as after our page that loads it again. */
  readonly isFromHere: boolean;
  /** The count in the arrival cookie. `undefined` if the browser has none for this address. */
  readonly reloads: number | undefined;
  /** Whether the browser sends any cookie of the BFF. */
  readonly keepsCookies: boolean;
}

/** How often the same address is loaded again automatically. */
export const maxReloads = 2;

/**
 * Decides the response to a signed-out navigation if the session cookie is `SameSite=Strict`.
 *
 * `reload` loads the address again from our own origin, because browsers do not send the cookie
 * with a navigation from another site. This includes the address that a sign-in returns to:
 * browsers differ in the cookies that they send after redirects through another site. `stuck` means
 * that the browser does not keep or does not send cookies.
 */
export function nextStep(arrival: Arrival): 'reload' | 'sign-in' | 'stuck' {
  const { isFromHere, reloads, keepsCookies } = arrival;
  const hasNoCookies = isFromHere && !keepsCookies;
  if (!isForeign(arrival)) return hasNoCookies ? 'stuck' : 'sign-in';
  const before = reloads ?? (hasNoCookies ? maxReloads : 0);
  return before < maxReloads ? 'reload' : 'stuck';
}

function isForeign({ site, isFromHere, reloads }: Arrival): boolean {
  if (site === 'cross-site' || site === 'same-site') return true;
  const isOurs = site === 'same-origin' || (site === undefined && isFromHere);
  return !isOurs && reloads !== undefined;
}
