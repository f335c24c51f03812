import type { AccessRule, Options } from './options.ts';

/** Warnings about dangerous options, as sentences for the startup log. */
export function warnings(options: Options): string[] {
  const { server, management, providers, routes, frontend, login, bearer } = options;
  const found: string[] = [];
  if (server.trustedProxies.some((range) => range.endsWith('/0')))
    found.push('server.trustedProxies contains every address: every client can claim any address');
  if (management.token !== undefined && management.token.length < 16)
    found.push(
      'management.token is short enough to be guessed; make one with: openssl rand -hex 32',
    );
  for (const { id, issuer, internalUrl } of providers)
    if (issuer.startsWith('https:') && internalUrl?.startsWith('http:'))
      found.push(
        `provider ${id}: internalUrl is http, so the client secret and all tokens travel ` +
          'unencrypted',
      );
  for (const { issuer, internalUrl, introspection } of bearer?.issuers ?? []) {
    if (introspection?.allowMissingAudience)
      found.push(
        `bearer issuer ${issuer}: allowMissingAudience accepts access tokens that were issued for ` +
          'other applications',
      );
    if (introspection && issuer.startsWith('https:') && internalUrl?.startsWith('http:'))
      found.push(
        `bearer issuer ${issuer}: internalUrl is http, so the client secret and access tokens ` +
          'travel unencrypted',
      );
  }
  for (const { path, token, upstream, provider: name = providers[0]?.id } of routes)
    if (token !== 'none' && upstream[0]?.startsWith('http:') && hasProfile(providers, name))
      found.push(
        `route ${path}: upstream is http, but its provider has profile fapi2, whose tokens ` +
          'travel over https only',
      );
  for (const { path, token, csrf } of routes)
    if (token !== 'none' && !csrf)
      found.push(
        `route ${path}: csrf is false, so other sites may be able to call it in the name of ` +
          'your users',
      );
  for (const { path, session } of routes)
    if (session === 'none')
      found.push(
        `route ${path}: session is none, so every caller can use its upstream with the ` +
          'authority of this application',
      );
  if (frontend?.contentSecurityPolicy === 'off')
    found.push('frontend.contentSecurityPolicy is off: injected scripts will run');
  found.push(...ofRules('login.require', login.require));
  for (const { path, require } of routes) found.push(...ofRules(`route ${path}: require`, require));
  return found;
}

/** `email_verified` says nothing about an address that is in another claim than `email`. */
function ofRules(where: string, rules: readonly AccessRule[] = []): string[] {
  return rules.flatMap((rule, index) =>
    (rule.anyOf ?? [rule])
      .filter((one) => one.emailDomain && one.unverified !== true && one.claim !== 'email')
      .map(
        ({ claim }) =>
          `${where}[${index}]: email_verified is about the claim email, so an address in ` +
          `${claim} counts only if it is the same; name email, or add unverified: true if users ` +
          'cannot choose it',
      ),
  );
}

function hasProfile(providers: Options['providers'], name: string | undefined): boolean {
  return providers.some(({ id, profile }) => id === name && profile !== undefined);
}
