import { Logger, type Provider as NestProvider } from '@nestjs/common';
import { ConfigurationError } from '../config/load.ts';
import type { Options } from '../config/options.ts';
import { reasonOf } from '../errors.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { createFunctionHook, type OnSignIn } from './hook/function-hook.ts';
import { createHttpHook } from './hook/http-hook.ts';
import { type HookedClaims, hookedClaims, type HookListener } from './hook/sign-in-hook.ts';
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

/** Injects `HookedClaims`, or `undefined` if there is none. */
export const SIGN_IN_HOOK = Symbol('sign-in hook');

/** Functions of a host application that the BFF calls. */
export interface BffHooks {
  /** Adds claims to users or refuses them. Replaces `login.hook` of the configuration. */
  readonly onSignIn?: OnSignIn;
}

/**
 * Provides the hook that is asked about users. `options` and `hooks` are the injection tokens of
 * `Options` and `BffHooks`.
 */
export function hookProvider(options: symbol, hooks: symbol): NestProvider {
  return { provide: SIGN_IN_HOOK, inject: [options, hooks, Recorder], useFactory: createHook };
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

/** Throws `ConfigurationError` if there are two hooks. */
function createHook(
  { login }: Options,
  { onSignIn }: BffHooks,
  recorder: Recorder,
): HookedClaims | undefined {
  if (login.hook && onSignIn) {
    const message = 'is set, and the host application has onSignIn; keep one of them';
    throw new ConfigurationError([{ path: ['login', 'hook'], message }]);
  }
  const hook = login.hook ? createHttpHook(login.hook) : onSignIn && createFunctionHook(onSignIn);
  return hook && hookedClaims(hook, onHook(recorder));
}

/** Records the results of the hook, and logs those without claims. */
function onHook(recorder: Recorder): HookListener {
  const logger = new Logger('SignInHook');
  return ({ event, provider }, outcome, error) => {
    recorder.hookCalled(event, outcome);
    if (outcome === 'refused')
      logger.log({ msg: 'user refused by the hook', event, provider, reason: reasonOf(error) });
    if (outcome === 'unavailable')
      logger.warn({ msg: 'hook unavailable', event, provider, reason: reasonOf(error) });
  };
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
