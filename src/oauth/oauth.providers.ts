import type { Provider as NestProvider } from '@nestjs/common';
import type { Options } from '../config/options.ts';
import { logBadKey, logMissingKeys } from '../session/tokens/token-log.ts';
import { Provider } from './provider/provider.ts';
import { Providers } from './providers.ts';
import { routeNeedsOf } from './tokens/token-policy.ts';
import { CLOCK, type Clock } from '../clock.ts';

/** The authorization servers of a configuration, which is injected by `options`. */
export function oauthProvider(options: symbol): NestProvider {
  return { provide: Providers, inject: [options, CLOCK], useFactory: createProviders };
}

/** Where our own endpoints are, as browsers see them. */
export function baseUrl({ publicUrl, basePath }: Options): string {
  return publicUrl + basePath;
}

function createProviders(options: Options, clock: Clock): Providers {
  const { providers, routes } = options;
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
  return new Providers(all, baseUrl(options));
}
