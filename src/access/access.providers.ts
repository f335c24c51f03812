import type { Provider as NestProvider } from '@nestjs/common';
import type { Options } from '../config/options.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { ACCESS_OPTIONS, type AccessOptions, AccessService } from './access.service.ts';
import { compileRules } from './rules.ts';
import { SignedInGuard } from './signed-in.guard.ts';

/** The Nest providers that judge rules. `options` is the injection token of `Options`. */
export function accessProviders(options: symbol): NestProvider[] {
  return [
    {
      provide: ACCESS_OPTIONS,
      inject: [options, Recorder],
      useFactory: ({ login }: Options, recorder: Recorder): AccessOptions => ({
        signInRules: login.require && compileRules(login.require),
        onRefusal: (at, index) => recorder.notAllowed(at, index),
      }),
    },
    AccessService,
    SignedInGuard,
  ];
}

/** The places where rules of the configuration refuse users, with the number of their rules. */
export function placesOfRules({
  login,
  routes,
}: Pick<Options, 'login' | 'routes'>): (readonly [at: string, rules: number])[] {
  const { length = 0 } = login.require ?? [];
  const ofRoutes = routes.map(({ path, require = [] }) => [path, require.length] as const);
  return [['sign-in', length], ['connect', length], ...ofRoutes];
}
