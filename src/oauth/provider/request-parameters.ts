import type { ProviderOptions } from '../../config/options.ts';
import { presetOf } from '../../config/presets/presets.ts';

/**
 * Combines the parameters of an authorization request: the configured scopes and `furtherScopes`,
 * the login parameters, and the fixed parameters of the configuration, which take precedence. Uses
 * the provider's own names for them if its preset has some.
 */
export function requestParameters(
  options: ProviderOptions,
  requested: Readonly<Record<string, string>>,
  furtherScopes: readonly string[] = [],
): Record<string, string> {
  const { offlineAccess, loginHint = 'login_hint' } = presetOf(options) ?? {};
  const all = [...new Set([...options.scopes, ...furtherScopes])];
  const replacesScope = offlineAccess !== undefined && all.includes('offline_access');
  const scopes = replacesScope ? all.filter((scope) => scope !== 'offline_access') : all;
  const { login_hint: hint, ...others } =
    options.type === 'oauth2' ? verifiable(requested) : requested;
  return {
    ...(replacesScope && offlineAccess),
    ...others,
    ...(hint !== undefined && { [loginHint]: hint }),
    ...options.authorizationParams,
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
  };
}

/** Drops parameters whose effect cannot be verified without an ID token. */
function verifiable(requested: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { max_age: _maxAge, acr_values: _acrValues, ...rest } = requested;
  return rest;
}
