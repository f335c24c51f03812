import type { CsrfOptions, RedisOptions, SessionOptions } from '../config/options.ts';
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
  /** The maximum number of pending logins on all replicas. */
  readonly maxPendingLogins: number;
  readonly csrf: CsrfOptions;
  readonly cookies: CookieNames;
  /**
   * `none` if a provider uses the `form_post` response mode. Browsers send no other cookie with its
   * cross-site form.
   */
  readonly loginSameSite: 'lax' | 'none';
}
