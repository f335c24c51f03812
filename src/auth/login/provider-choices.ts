import type { Providers } from '../../oauth/providers.ts';

/** A provider as people choose between several. */
export interface ProviderChoice {
  readonly id: string;
  readonly name: string;
  /** A path on this site that begins a sign-in there. */
  readonly loginUrl: string;
}

/**
 * All providers, in the order of the configuration, each with a login that has these parameters
 * beside.
 */
export function providerChoices(
  { all }: Providers,
  basePath: string,
  parameters: URLSearchParams = new URLSearchParams(),
): ProviderChoice[] {
  const others = new URLSearchParams(parameters);
  others.delete('provider');
  const rest = others.size > 0 ? `&${others}` : '';
  return all.map(({ id, options: { name } }) => {
    const provider = new URLSearchParams({ provider: id });
    return { id, name, loginUrl: `${basePath}/login?${provider}${rest}` };
  });
}
