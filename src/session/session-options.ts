import type { CsrfOptions, RedisOptions, SessionOptions } from '../config/options.ts';
import type { KeyValueStore } from './store/key-value-store.ts';
import type { CookieNames } from './cookie/cookies.ts';

/** Injects `SessionRoomOptions`. */
export const SESSION_OPTIONS = Symbol('session options');

/** The part of the configuration that the `session` room uses. */
export interface SessionRoomOptions {
  /** The public URL, as browsers see it. */
  readonly publicUrl: string;
  readonly session: SessionOptions;
  /** Without it, sessions are stored in the memory of the process. */
  readonly redis?: RedisOptions | undefined;
  /** The store of a host application. By default the BFF opens one itself. */
  readonly store?: KeyValueStore | undefined;
  /** The maximum number of pending logins on all replicas. */
  readonly maxPendingLogins: number;
  /**
   * The age of claims at which UserInfo is read again, in milliseconds. `undefined` if it is not.
   */
  readonly claimsRefresh: number | undefined;
  readonly csrf: CsrfOptions;
  readonly cookies: CookieNames;
  /** The name of the cookie that counts navigations without a session cookie. */
  readonly arrivalCookie: string;
  /** Whether pages need to know that a navigation returns from a sign-in. */
  readonly tracksReturns: boolean;
  /**
   * `none` if a provider uses the `form_post` response mode. Browsers send no other cookie with its
   * cross-site form.
   */
  readonly loginSameSite: 'lax' | 'none';
}
