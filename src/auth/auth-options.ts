import type { ProviderOptions, UserOptions } from '../config/options.ts';
import type { ErrorCode } from '../errors.ts';
import type { ReturnUrlRules } from './login/return-url.ts';

/** Injects `AuthOptions`. */
export const AUTH_OPTIONS = Symbol('auth options');

/** The options of the `auth` room. */
export interface AuthOptions {
  readonly basePath: string;
  readonly returnUrl: ReturnUrlRules;
  readonly user: UserOptions;
  /** Whether users choose between several providers on a page of the BFF. */
  readonly chooser: boolean;
  /** Where the authorization server redirects the browser after signing the user out. */
  readonly postLogoutRedirectUri: string;
  /** Callback paths that accept only `POST`, relative to the base path. */
  readonly formPostCallbacks: readonly string[];
  /** Whether there is an authorization server for clients of our own. */
  readonly hasAuthorizationServer: boolean;
  readonly listener: AuthListener;
}

/** Is notified of sign-ins and of ended sessions. It never learns which user they belong to. */
export interface AuthListener {
  signInStarted(provider: string): void;
  signInCompleted(provider: string): void;
  signInFailed(provider: string, code: ErrorCode): void;
  sessionsEnded(by: 'user' | 'backchannel' | 'frontchannel', sessions: number): void;
}

/**
 * Returns the callback paths of providers with `response_mode=form_post`. The first provider's path
 * does not contain its id.
 */
export function formPostCallbacks(providers: readonly ProviderOptions[]): string[] {
  return providers.flatMap(({ id, responseMode }, index) =>
    responseMode === 'form_post' ? [index === 0 ? 'callback' : `callback/${id}`] : [],
  );
}
