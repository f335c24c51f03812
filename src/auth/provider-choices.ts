import type { Providers } from '../oauth/providers.ts';

/** A provider as people choose between several. */
export interface ProviderChoice {
  readonly id: string;
  readonly name: string;
  /** A path on this site that begins a sign-in there. */
  readonly loginUrl: string;
}

/** All providers, in the order of the configuration, each with a login that has these parameters beside. */
export function providerChoices(
  { all }: Providers,
  basePath: string,
  parameters: URLSearchParams = new URLSearchParams(),
): ProviderChoice[] {
  return all.map(({ id, options: { name } }) => {
    const query = new URLSearchParams({ provider: id });
    for (const [key, value] of parameters) if (key !== 'provider') query.append(key, value);
    return { id, name, loginUrl: `${basePath}/login?${query}` };
  });
}
