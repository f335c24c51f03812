import type { CanActivate } from '@nestjs/common';
import { BffError } from '../errors.ts';
import { requestOf } from './context-request.ts';
import { refusalOf } from './required-rules.ts';
import { type User, withUser } from './user.ts';

/**
 * Creates a guard for tests that treats every request as a request of this user, without a provider
 * or a session. The rules of `@Require` apply to the claims. With `undefined` it refuses every
 * request with `not_signed_in`. By default `sub` is `user`, `provider` is `test`, and there are no
 * claims.
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
      const complete: User = {
        sub: 'user',
        provider: 'test',
        claims: {},
        ...(user as Partial<User>),
      };
      const refusal = refusalOf(context, complete.claims);
      if (refusal) throw new BffError('not_allowed', { extensions: { claim: refusal.claim } });
      withUser(requestOf(context), complete);
      return true;
    },
  };
}
