import type { CsrfOptions, SessionOptions } from '../config/options.ts';
import type { CookieNames } from './cookie/cookies.ts';

/** Injects `SessionRoomOptions`. */
export const SESSION_OPTIONS = Symbol('session options');

/** The slice of the configuration this room works with. */
export interface SessionRoomOptions {
  /** Our own origin, as browsers see it. */
  readonly publicUrl: string;
  readonly session: SessionOptions;
  readonly csrf: CsrfOptions;
  readonly cookies: CookieNames;
  /**
   * `none` where a provider's page sends its answer as a form: no other cookie comes along with
   * that.
   */
  readonly loginSameSite: 'lax' | 'none';
}
