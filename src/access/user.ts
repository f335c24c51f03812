import type { Claims } from '../oauth/login/claims.ts';
import type { Session } from '../session/sessions/session.ts';

/**
 * The signed-in user, for controllers of a host application. Contains no token. `C` is the type of
 * the claims, which the host application states and nothing checks.
 */
export interface User<C extends object = Claims> {
  /** The subject, unique at its provider. */
  readonly sub: string;
  /** The `id` of the provider at which the user signed in. */
  readonly provider: string;
  readonly claims: Readonly<C>;
}

const users = new WeakMap<object, User>();

/** Returns the user that `SignedInGuard` admitted, `undefined` if the guard did not run. */
export function userOf(request: object): User | undefined {
  return users.get(request);
}

/**
 * Makes a user the signed-in user of a request, for `@CurrentUser()` and `BffService.user`. It is
 * meant for guards that replace `SignedInGuard` in tests, and starts no session.
 */
export function withUser(request: object, user: User<object>): void {
  users.set(request, user as User);
}

/** Returns the user of a session. */
export function userIn({ sub, provider, claims }: Session): User {
  return { sub, provider, claims };
}
