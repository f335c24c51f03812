import type { AccessRule, Options } from '../../config/options.ts';

/**
 * The names of all claims that the rules of sign-ins and routes use. Those that the ID token lacks
 * are requested from UserInfo.
 */
export function ruleClaims({ login, routes }: Pick<Options, 'login' | 'routes'>): string[] {
  return claimsIn([login, ...routes].flatMap(({ require = [] }) => require));
}

/** The names of all claims that these rules use. */
export function claimsIn(rules: readonly AccessRule[]): string[] {
  return [...new Set(rules.flatMap(claimsOf))];
}

function claimsOf(rule: AccessRule): string[] {
  return (rule.anyOf ?? [rule]).flatMap(({ claim = [], emailDomain, unverified }) =>
    // An address counts only if `email_verified` is about the same address.
    [claim, emailDomain && unverified !== true ? ['email', 'email_verified'] : []].flat(),
  );
}
