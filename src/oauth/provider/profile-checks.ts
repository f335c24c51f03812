import { ConfigurationError } from '../../config/load.ts';
import { ProfileShortfall } from './fapi2.ts';
import type { Provider } from './provider.ts';

/**
 * Checks at startup that the metadata of every provider with a profile satisfy it. Throws a
 * `ConfigurationError` that lists every shortfall. A provider that is unavailable is checked at its
 * first sign-in instead.
 */
export async function checkProfiles(providers: readonly Provider[]): Promise<void> {
  const checks = providers.map(async (provider, index) => {
    if (provider.options.profile !== 'fapi2') return [];
    const message = await shortfallOf(provider);
    return message === undefined ? [] : [{ path: ['providers', index, 'profile'], message }];
  });
  const mistakes = (await Promise.all(checks)).flat();
  if (mistakes.length > 0) throw new ConfigurationError(mistakes);
}

async function shortfallOf(provider: Provider): Promise<string | undefined> {
  try {
    await provider.configuration();
    return undefined;
  } catch (error) {
    // Other problems may be temporary. A later sign-in reports them.
    const { cause } = error as Error;
    return cause instanceof ProfileShortfall ? cause.message : undefined;
  }
}
