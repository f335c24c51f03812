import type { AccessRule, Options } from '../../config/options.ts';

/**
 * The names of all claims that the rules of sign-ins and routes look at. Those that the ID token
 * lacks are requested from UserInfo.
 */
export function wantedClaims({ login, routes }: Pick<Options, 'login' | 'routes'>): string[] {
  return claimsIn([login, ...routes].flatMap(({ require = [] }) => require));
}

/** The names of all claims that rules look at. */
export function claimsIn(rules: readonly AccessRule[]): string[] {
  return [...new Set(rules.flatMap(claimsOf))];
}

function claimsOf(rule: AccessRule): string[] {
  return (rule.anyOf ?? [rule]).flatMap(({ claim = [], emailDomain, unverified }) =>
    // An address counts if it is the verified one.
    [claim, emailDomain && unverified !== true ? ['email', 'email_verified'] : []].flat(),
  );
}
