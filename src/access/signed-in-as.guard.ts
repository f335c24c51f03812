import type { CanActivate } from '@nestjs/common';
import { BffError } from '../errors.ts';
import { requestOf } from './context-request.ts';
import { type User, withUser } from './user.ts';

/**
 * Creates a guard for tests that takes every request for one of this user, without a provider or a
 * session. Without a user it refuses every request with `not_signed_in`. `sub` defaults to `user`,
 * `provider` to `test`, `claims` to none.
 *
 * @example
 * ```ts
 * Test.createTestingModule({ controllers: [OrdersController] })
 *   .overrideGuard(SignedInGuard)
 *   .useValue(signedInAs({ sub: 'alice', claims: { roles: ['admin'] } }));
 * ```
 */
export function signedInAs(user: Partial<User<object>> | undefined): CanActivate {
  return {
    canActivate(context) {
      if (!user) throw new BffError('not_signed_in');
      withUser(requestOf(context), { sub: 'user', provider: 'test', claims: {}, ...user });
      return true;
    },
  };
}
