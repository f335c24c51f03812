import type { Claims } from '../oauth/login/claims.ts';
import type { Session } from '../session/sessions/session.ts';

/**
 * The signed-in user, for controllers of a host application. Contains no token. `C` is the type
 * that the host application expects the claims to have. It is not checked at run time.
 */
export interface User<C extends object = Claims> {
  /** The subject, unique at its provider. */
  readonly sub: string;
  /** The `id` of the provider at which the user signed in. */
  readonly provider: string;
  readonly claims: Readonly<C>;
}

const users = new WeakMap<object, User>();

/** Returns the user that `SignedInGuard` admitted, or `undefined` if the guard did not run. */
export function userOf(request: object): User | undefined {
  return users.get(request);
}

/**
 * Sets the signed-in user of a request, for `@CurrentUser()` and `BffService.user`. Use it in
 * guards that replace `SignedInGuard` in tests. It does not start a session.
 */
export function withUser(request: object, user: User<object>): void {
  users.set(request, user as User);
}

/** Returns the user of a session. */
export function userIn({ sub, provider, claims }: Session): User {
  return { sub, provider, claims };
}
