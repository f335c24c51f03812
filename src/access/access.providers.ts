import type { Provider as NestProvider } from '@nestjs/common';
import type { Options } from '../config/options.ts';
import { AccessService } from './access.service.ts';
import { BearerCallersService } from './bearer/bearer-callers.service.ts';
import { BffService } from './bff.service.ts';
import { SignedInGuard } from './signed-in.guard.ts';

/** The Nest providers of the `access` room. They require `ACCESS_OPTIONS`. */
export const accessProviders: NestProvider[] = [
  AccessService,
  SignedInGuard,
  BffService,
  BearerCallersService,
];

/** The places where rules of the configuration refuse users, with the number of their rules. */
export function placesOfRules({
  login,
  routes,
}: Pick<Options, 'login' | 'routes'>): (readonly [at: string, rules: number])[] {
  const { length = 0 } = login.require ?? [];
  const ofRoutes = routes.map(({ path, require = [] }) => [path, require.length] as const);
  return [['sign-in', length], ['connect', length], ...ofRoutes];
}
