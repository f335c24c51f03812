import type { ProviderOptions, UserOptions } from '../config/options.ts';
import type { ErrorCode } from '../errors.ts';
import type { ReturnUrlRules } from './login/return-url.ts';

/** Injects `AuthOptions`. */
export const AUTH_OPTIONS = Symbol('auth options');

/** The slice of the configuration this room works with. */
export interface AuthOptions {
  readonly basePath: string;
  readonly returnUrl: ReturnUrlRules;
  readonly user: UserOptions;
  /** Whether people choose between several providers on a page of ours. */
  readonly chooser: boolean;
  /** Where the authorization server sends the browser after signing it out. */
  readonly postLogoutRedirectUri: string;
  /** The callbacks that take `POST` and nothing else, as they stand below the base path. */
  readonly formPostCallbacks: readonly string[];
  readonly listener: AuthListener;
}

/** Told what becomes of sign-ins, and of sessions that are ended. Never whose they are. */
export interface AuthListener {
  signInStarted(provider: string): void;
  signInCompleted(provider: string): void;
  signInFailed(provider: string, code: ErrorCode): void;
  sessionsEnded(by: 'user' | 'backchannel' | 'frontchannel', sessions: number): void;
}

/** The callbacks of providers that answer in a form; the first provider's has no name in it. */
export function formPostCallbacks(providers: readonly ProviderOptions[]): string[] {
  return providers.flatMap(({ id, responseMode }, index) =>
    responseMode === 'form_post' ? [index === 0 ? 'callback' : `callback/${id}`] : [],
  );
}
