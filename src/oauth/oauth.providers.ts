import { Logger, type Provider as NestProvider } from '@nestjs/common';
import { ConfigurationError } from '../config/load.ts';
import { reasonOf } from '../errors.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { type BffHooks, HOOKS } from './hook/bff-hooks.ts';
import { createFunctionHook } from './hook/function-hook.ts';
import { createHttpHook } from './hook/http-hook.ts';
import {
  type HookedClaims,
  hookedClaims,
  type HookListener,
  SIGN_IN_HOOK,
} from './hook/sign-in-hook.ts';
import { BearerIssuers } from './bearer/bearer-issuers.ts';
import { DpopProofs } from './bearer/dpop-proofs.ts';
import { CLOCK, type Clock } from '../clock.ts';
import { OAUTH_OPTIONS, type OAuthRoomOptions } from './oauth-options.ts';
import { ProviderRegistry } from './provider-registry.ts';
import { Provider } from './provider/provider.ts';
import { routeNeedsOf } from './tokens/token-policy.ts';

/** The Nest providers of the `oauth` room. They require `OAUTH_OPTIONS`, `HOOKS` and `CLOCK`. */
export const oauthProviders: NestProvider[] = [
  { provide: ProviderRegistry, inject: [OAUTH_OPTIONS, CLOCK], useFactory: createRegistry },
  { provide: SIGN_IN_HOOK, inject: [OAUTH_OPTIONS, HOOKS, Recorder], useFactory: createHook },
  {
    provide: BearerIssuers,
    inject: [OAUTH_OPTIONS, ProviderRegistry, CLOCK],
    useFactory: createBearerIssuers,
  },
  { provide: DpopProofs, inject: [CLOCK], useFactory: (clock: Clock) => new DpopProofs(clock) },
];

function createRegistry(options: OAuthRoomOptions, clock: Clock): ProviderRegistry {
  const { providers, routes, baseUrl, ruleClaims } = options;
  const all = providers.map(
    (provider) =>
      new Provider(
        provider,
        clock,
        logMissingKeys(provider.id),
        logBadKey(provider.id),
        routeNeedsOf(provider.id, routes, providers[0]?.id),
        ruleClaims,
      ),
  );
  return new ProviderRegistry(all, baseUrl);
}

/** Returns `undefined` if no access tokens of other authorization servers are accepted. */
function createBearerIssuers(
  { bearer }: OAuthRoomOptions,
  providers: ProviderRegistry,
  clock: Clock,
): BearerIssuers | undefined {
  return bearer && new BearerIssuers(bearer, providers, clock, logMissingKeys);
}

/** Throws `ConfigurationError` if there are two hooks. */
function createHook(
  { hook: options }: OAuthRoomOptions,
  { onSignIn }: BffHooks,
  recorder: Recorder,
): HookedClaims | undefined {
  if (options && onSignIn) {
    const message = 'is set, and the host application has onSignIn; keep one of them';
    throw new ConfigurationError([{ path: ['login', 'hook'], message }]);
  }
  const hook = options ? createHttpHook(options) : onSignIn && createFunctionHook(onSignIn);
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
