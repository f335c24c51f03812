import { Logger, type Provider as NestProvider } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.ts';
import { OAUTH_OPTIONS, type OAuthRoomOptions } from './oauth-options.ts';
import { ProviderRegistry } from './provider-registry.ts';
import { Provider } from './provider/provider.ts';
import { routeNeedsOf } from './tokens/token-policy.ts';

/** The Nest providers of the `oauth` room. They require `OAUTH_OPTIONS` and `CLOCK`. */
export const oauthProviders: NestProvider[] = [
  { provide: ProviderRegistry, inject: [OAUTH_OPTIONS, CLOCK], useFactory: createRegistry },
];

function createRegistry(options: OAuthRoomOptions, clock: Clock): ProviderRegistry {
  const { providers, routes, baseUrl } = options;
  const all = providers.map(
    (provider) =>
      new Provider(
        provider,
        clock,
        logMissingKeys(provider.id),
        logBadKey(provider.id),
        routeNeedsOf(provider.id, routes, providers[0]?.id),
      ),
  );
  return new ProviderRegistry(all, baseUrl);
}

/** Logs that the keys of a provider could not be refreshed. */
function logMissingKeys(provider: string) {
  const msg = 'keys not fetched; the last ones serve on';
  return (error: unknown) => new Logger('Provider').warn({ msg, provider, err: error });
}

/** Logs that a new client key is not usable. */
function logBadKey(provider: string) {
  const msg = 'the file of clientKey cannot be used; the last good key serves on';
  return (error: unknown) => new Logger('Provider').error({ msg, provider, err: error });
}
