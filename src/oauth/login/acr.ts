import type { IDToken } from 'openid-client';
import { BffError } from '../../errors.ts';

/** How and when a user has signed in, as the provider says. */
export interface AuthenticationContext {
  readonly acr?: string;
  /** Epoch milliseconds. */
  readonly authTime?: number;
}

/** How a user must have signed in. */
export interface Demand {
  /** Of these `acr` values, separated by spaces, one is enough. Absent: any. */
  readonly acr?: string | undefined;
  /** How long ago that may be, in milliseconds. Absent: any time. */
  readonly maxAge?: number | undefined;
}

/** The word of an ID token (OIDC Core §2). UserInfo has none in this. */
export function readAuthentication({ acr, auth_time: seconds }: IDToken): AuthenticationContext {
  return {
    ...(typeof acr === 'string' && { acr }),
    ...(typeof seconds === 'number' && { authTime: seconds * 1000 }),
  };
}

/** Whether a sign-in is what is demanded. What the provider did not say is not. */
export function satisfies(
  { acr, authTime }: AuthenticationContext,
  demand: Demand,
  now: number,
): boolean {
  if (demand.acr !== undefined && !isOneOf(acr, demand.acr)) return false;
  return demand.maxAge === undefined || (authTime !== undefined && now - authTime <= demand.maxAge);
}

/**
 * "If the acr Claim was requested, the Client SHOULD check that the asserted Claim Value is
 * appropriate" (OIDC Core §3.1.3.7 item 12); for `max_age` the library does. Throws `login_failed`.
 */
export function checkAcr(acr: string | undefined, acrValues: string | undefined): void {
  if (acrValues === undefined || isOneOf(acr, acrValues)) return;
  const cause = new Error('the user did not sign in as was asked for (acr)');
  throw new BffError('login_failed', { cause });
}

function isOneOf(acr: string | undefined, acrValues: string): boolean {
  return acr !== undefined && acrValues.split(' ').includes(acr);
}
