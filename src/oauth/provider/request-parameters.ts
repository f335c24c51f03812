import type { ProviderOptions } from '../../config/options.ts';
import { presetOf } from '../../config/presets/presets.ts';

/**
 * What a sign-in asks of a provider beside the protocol, the scopes included, further ones too, in
 * the words it understands.
 */
export function requestParameters(
  options: ProviderOptions,
  asked: Readonly<Record<string, string>>,
  furtherScopes: readonly string[] = [],
): Record<string, string> {
  const { offlineAccess, loginHint = 'login_hint' } = presetOf(options) ?? {};
  const all = [...new Set([...options.scopes, ...furtherScopes])];
  const isWithoutScope = offlineAccess !== undefined && all.includes('offline_access');
  const scopes = isWithoutScope ? all.filter((scope) => scope !== 'offline_access') : all;
  const { login_hint: hint, ...others } = options.type === 'oauth2' ? verifiable(asked) : asked;
  return {
    ...(isWithoutScope && offlineAccess),
    ...others,
    ...(hint !== undefined && { [loginHint]: hint }),
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
  };
}

/** Without an ID token nothing says whether these were obeyed, so nobody shall believe it. */
function verifiable(asked: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { max_age: _maxAge, acr_values: _acrValues, ...rest } = asked;
  return rest;
}
