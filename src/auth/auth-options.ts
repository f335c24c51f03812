import type { UserOptions } from '../config/options.ts';
import type { ReturnUrlRules } from './return-url.ts';

/** Injects `AuthOptions`. */
export const AUTH_OPTIONS = Symbol('auth options');

/** The slice of the configuration this room works with. */
export interface AuthOptions {
  readonly basePath: string;
  readonly returnUrl: ReturnUrlRules;
  readonly user: UserOptions;
  /** Where the authorization server sends the browser after signing it out. */
  readonly postLogoutRedirectUri: string;
}
