import type { CsrfOptions, SessionOptions } from '../config/options.ts';
import type { CookieNames } from './cookie/cookies.ts';

/** Injects `SessionRoomOptions`. */
export const SESSION_OPTIONS = Symbol('session options');

/** The configuration of the session room. */
export interface SessionRoomOptions {
  /** The public URL, as browsers see it. */
  readonly publicUrl: string;
  readonly session: SessionOptions;
  readonly csrf: CsrfOptions;
  readonly cookies: CookieNames;
  /** The name of the cookie that counts navigations without a session cookie. */
  readonly arrivalCookie: string;
  /** Whether pages need to know that a navigation returns from a sign-in. */
  readonly notesReturns: boolean;
  /**
   * `none` if a provider uses the `form_post` response mode. Browsers send no other cookie with its
   * cross-site form.
   */
  readonly loginSameSite: 'lax' | 'none';
}
