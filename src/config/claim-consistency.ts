import { claimReference } from './blocks/route-headers.ts';
import type { ComparedOptions } from './compared-options.ts';
import { rule } from './values/rule.ts';

/** Checks that `user.claims` keeps every claim that a rule or a header needs. */
export const keptClaims = rule<ComparedOptions>(
  ['user.claims', 'login.require', 'routes.*.require', 'routes.*.headers'],
  ({ user: { claims: kept }, login, routes }, report) => {
    if (!kept) return;
    const refuse = (path: readonly (string | number)[], names: readonly string[]) => {
      for (const name of names)
        if (!isKept(name, kept))
          report(path, `needs the claim ${name}, which user.claims does not keep; add it there`);
    };
    for (const [at, entry] of (login.require ?? []).entries())
      refuse(['login', 'require', at], claimsOfRule(entry));
    for (const [index, { require: rules = [], headers }] of routes.entries()) {
      for (const [at, entry] of rules.entries())
        refuse(['routes', index, 'require', at], claimsOfRule(entry));
      for (const [header, value] of Object.entries(headers.set))
        refuse(
          ['routes', index, 'headers', 'set', header],
          [...value.matchAll(claimReference)].map(([, name = '']) => name),
        );
    }
  },
);

/** Whether a claim, or the first names of its path, is among the claims that are kept. */
function isKept(name: string, kept: readonly string[]): boolean {
  return kept.some((claim) => name === claim || name.startsWith(`${claim}.`));
}

/** The part of a rule that names a claim. */
interface RuleEntry {
  readonly claim?: string | undefined;
}

/** The claims that a rule names. */
function claimsOfRule(entry: RuleEntry & { readonly anyOf?: readonly RuleEntry[] | undefined }) {
  return (entry.anyOf ?? [entry]).flatMap(({ claim = [] }) => claim);
}
