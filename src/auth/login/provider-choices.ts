import type { ProviderRegistry } from '../../oauth/provider-registry.ts';

/** A provider that a user can choose for signing in. */
export interface ProviderChoice {
  readonly id: string;
  readonly name: string;
  /** A path of this BFF that starts a sign-in at the provider. */
  readonly loginUrl: string;
}

/**
 * Returns all providers in the order of the configuration. Each login URL is `loginPath` with the
 * provider and the given parameters.
 */
export function providerChoices(
  { all }: ProviderRegistry,
  loginPath: string,
  parameters: URLSearchParams = new URLSearchParams(),
): ProviderChoice[] {
  const others = new URLSearchParams(parameters);
  others.delete('provider');
  const rest = others.size > 0 ? `&${others}` : '';
  return all.map(({ id, options: { name } }) => {
    const provider = new URLSearchParams({ provider: id });
    return { id, name, loginUrl: `${loginPath}?${provider}${rest}` };
  });
}
