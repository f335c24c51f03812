import type { IDToken } from 'openid-client';
import { BffError } from '../../errors.ts';

/** How and when the user authenticated, according to the provider. */
export interface AuthenticationContext {
  readonly acr?: string;
  /** Epoch milliseconds. */
  readonly authTime?: number;
}

/** Requirements for how and when the user authenticated. */
export interface Demand {
  /** Accepted `acr` values, separated by spaces. One of them is enough. Optional. */
  readonly acr?: string | undefined;
  /** The maximum age of the authentication, in milliseconds. Optional. */
  readonly maxAge?: number | undefined;
}

/**
 * Reads `acr` and `auth_time` from an ID token (OIDC Core §2). UserInfo is not trusted for these.
 */
export function readAuthentication({ acr, auth_time: seconds }: IDToken): AuthenticationContext {
  return {
    ...(typeof acr === 'string' && { acr }),
    ...(typeof seconds === 'number' && { authTime: seconds * 1000 }),
  };
}

/** Whether an authentication meets a demand. A value that the provider did not send never does. */
export function satisfies(
  { acr, authTime }: AuthenticationContext,
  demand: Demand,
  now: number,
): boolean {
  if (demand.acr !== undefined && !isOneOf(acr, demand.acr)) return false;
  return demand.maxAge === undefined || (authTime !== undefined && now - authTime <= demand.maxAge);
}

/**
 * Throws `login_failed` unless `acr` is one of the requested values. "If the acr Claim was
 * requested, the Client SHOULD check that the asserted Claim Value is appropriate" (OIDC Core
 * §3.1.3.7 item 12). openid-client itself checks `max_age`.
 */
export function checkAcr(acr: string | undefined, acrValues: string | undefined): void {
  if (acrValues === undefined || isOneOf(acr, acrValues)) return;
  const cause = new Error('the user did not authenticate as requested (acr)');
  throw new BffError('login_failed', { cause });
}

function isOneOf(acr: string | undefined, acrValues: string): boolean {
  return acr !== undefined && acrValues.split(' ').includes(acr);
}
