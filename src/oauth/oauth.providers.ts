import { Logger, type Provider as NestProvider } from '@nestjs/common';
import type { Options } from '../config/options.ts';
import { Provider } from './provider/provider.ts';
import { Providers } from './providers.ts';
import { routeNeedsOf } from './tokens/token-policy.ts';
import { wantedClaims } from './login/wanted-claims.ts';
import { CLOCK, type Clock } from '../clock.ts';

/**
 * Provides the authorization servers of the configuration that is injected by `options`.
 * `furtherClaims` are wanted besides those that its rules name.
 */
export function oauthProvider(
  options: symbol,
  furtherClaims: () => readonly string[],
): NestProvider {
  return {
    provide: Providers,
    inject: [options, CLOCK],
    useFactory: (loaded: Options, clock: Clock) => createProviders(loaded, clock, furtherClaims()),
  };
}

/** The public base URL of our own endpoints, as browsers see it. */
export function baseUrl({ publicUrl, basePath }: Options): string {
  return publicUrl + basePath;
}

function createProviders(
  options: Options,
  clock: Clock,
  furtherClaims: readonly string[],
): Providers {
  const { providers, routes } = options;
  const wanted = [...wantedClaims(options), ...furtherClaims];
  const all = providers.map(
    (provider) =>
      new Provider(
        provider,
        clock,
        logMissingKeys(provider.id),
        logBadKey(provider.id),
        routeNeedsOf(provider.id, routes, providers[0]?.id),
        wanted,
      ),
  );
  return new Providers(all, baseUrl(options));
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
