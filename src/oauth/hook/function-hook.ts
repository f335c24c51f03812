import { BffError } from '../../errors.ts';
import { withDeadline } from '../../http/deadline.ts';
import {
  checkHookClaims,
  type HookClaims,
  hookUnavailable,
  longestHookResponse,
  type SignInHook,
  type SignInUser,
} from './sign-in-hook.ts';

/** How long the host's function may take, in milliseconds. */
const timeout = 10_000;

/**
 * A function of the host application that is called at every sign-in and when claims are read
 * again. It returns the claims to add or replace, with `null` for those to remove, or nothing.
 * `sub`, `iss`, `sid` and `email_verified` cannot be changed. Throw a `NotAllowedException` to
 * refuse the user. After any other error, or without a result within 10 seconds, a sign-in fails
 * with `hook_unavailable`, and the claims of a session stay as they were.
 */
export type OnSignIn = (user: SignInUser) => HookClaims | void | Promise<HookClaims | void>;

/**
 * Thrown by `onSignIn` to refuse a user: the sign-in fails with `not_allowed`, and a session whose
 * claims were read again ends. The reason is logged and never sent to the client.
 */
export class NotAllowedException extends BffError {
  constructor(reason = 'the application refused the user') {
    super('not_allowed', { cause: new Error(reason) });
    this.name = 'NotAllowedException';
  }
}

/** Creates the hook that calls the host's function. The returned claims are converted to JSON. */
export function createFunctionHook(onSignIn: OnSignIn): SignInHook {
  return async (user) => {
    const claims = structuredClone(user.claims);
    const work = (async () => onSignIn({ ...user, claims }))();
    const result = await withDeadline(work, timeout, () => {
      throw hookUnavailable(`none within ${timeout} ms`);
    });
    return checkHookClaims(asJson(result ?? {}));
  };
}

/** Converts a value to JSON and back. Throws if it has no JSON form or more than 64 KB. */
function asJson(value: unknown): unknown {
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > longestHookResponse)
    throw hookUnavailable(`more than ${longestHookResponse} bytes`);
  return JSON.parse(text);
}
