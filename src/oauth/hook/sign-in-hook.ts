import { BffError } from '../../errors.ts';
import { isJsonObject } from '../json-object.ts';
import { type Claims, longestClaims } from '../login/claims.ts';

/** Injects `HookedClaims`, or `undefined` if there is no hook. */
export const SIGN_IN_HOOK = Symbol('sign-in hook');

/** A user whose claims have just been read from the provider. */
export interface SignInUser {
  /** `sign_in` also when an account is connected, `refresh` when the claims are read again. */
  readonly event: 'sign_in' | 'refresh';
  /** The `id` of the provider. */
  readonly provider: string;
  readonly sub: string;
  /** The claims from the ID token and UserInfo, without those about the token itself. */
  readonly claims: Claims;
}

/** The claims that a hook adds or replaces. `null` removes a claim. */
export type HookClaims = Readonly<Record<string, unknown>>;

/**
 * Changes the claims of a user, or refuses the user. Throws `not_allowed` to refuse the user, and
 * `hook_unavailable` if there is no decision.
 */
export type SignInHook = (user: SignInUser) => Promise<HookClaims>;

/** The result of one call of a hook. */
export type HookOutcome = 'claims' | 'refused' | 'unavailable';

/** Receives the result of every call of a hook, with the error if it failed. */
export type HookListener = (user: SignInUser, outcome: HookOutcome, error?: BffError) => void;

/** The maximum size of a hook's response, in bytes. */
export const longestHookResponse = 64 * 1024;

/** Claims that a hook cannot change. */
const protectedClaims = new Set(['sub', 'iss', 'sid', 'email_verified', '__proto__']);

/** The maximum depth of a claim. Deeper values overflow the stack of many JSON writers. */
const deepest = 32;

/** Returns the claims of a user after the hook. Throws `not_allowed` or `hook_unavailable`. */
export type HookedClaims = (user: SignInUser) => Promise<Claims>;

/** Wraps a hook: applies its changes to the claims and passes each result to the listener. */
export function hookedClaims(hook: SignInHook, listener: HookListener): HookedClaims {
  return async (user) => {
    try {
      const claims = withHookClaims(user.claims, await hook(user));
      if (JSON.stringify(claims).length > longestClaims)
        throw hookUnavailable(
          `its claims and the provider's have over ${longestClaims} characters`,
        );
      listener(user, 'claims');
      return claims;
    } catch (thrown) {
      const error = isDecision(thrown) ? thrown : hookUnavailable(thrown);
      listener(user, error.code === 'not_allowed' ? 'refused' : 'unavailable', error);
      throw error;
    }
  };
}

/**
 * Returns the claims with the changes of a hook, in which `null` removes a claim. Changes of
 * protected claims are ignored.
 */
function withHookClaims(claims: Claims, changes: HookClaims): Claims {
  const changed = new Map(Object.entries(claims));
  for (const [name, value] of Object.entries(changes)) {
    if (protectedClaims.has(name)) continue;
    if (value === null) changed.delete(name);
    else changed.set(name, value);
  }
  return Object.fromEntries(changed);
}

/**
 * Checks the claims in a hook's response. Throws `hook_unavailable` unless they are an object whose
 * numbers are exact and whose values are at most 32 levels deep.
 */
export function checkHookClaims(value: unknown): HookClaims {
  if (!isJsonObject(value)) throw hookUnavailable('claims is not an object');
  for (const [name, claim] of Object.entries(value)) {
    // A rounded number could be another user's or group's.
    if (!isExact(claim, deepest))
      throw hookUnavailable(`${JSON.stringify(name.slice(0, 64))} is too deep or inexact`);
  }
  return value;
}

/** Creates the error for a hook that made no decision. `cause` is for the log. */
export function hookUnavailable(cause: unknown): BffError {
  const error = typeof cause === 'string' ? new Error(`the response of the hook: ${cause}`) : cause;
  return new BffError('hook_unavailable', { cause: error });
}

/** Whether an error is a result of the hook itself. Any other `BffError` comes from elsewhere. */
function isDecision(thrown: unknown): thrown is BffError {
  return (
    thrown instanceof BffError &&
    (thrown.code === 'not_allowed' || thrown.code === 'hook_unavailable')
  );
}

function isExact(value: unknown, depth: number): boolean {
  if (typeof value === 'number')
    return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isExact(inner, depth - 1));
}
