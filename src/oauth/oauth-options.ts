import type { Options, ProviderOptions, RouteOptions } from '../config/options.ts';

/** Injects `OAuthRoomOptions`. */
export const OAUTH_OPTIONS = Symbol('oauth options');

/** The part of the configuration that the `oauth` room uses. */
export interface OAuthRoomOptions {
  readonly providers: readonly ProviderOptions[];
  readonly routes: readonly RouteOptions[];
  /** `{publicUrl}{basePath}`, the base of the BFF's own URLs. */
  readonly baseUrl: string;
  /** The claims that rules use. They are requested from UserInfo if the ID token lacks them. */
  readonly ruleClaims: readonly string[];
  /** `login.hook`. */
  readonly hook: Options['login']['hook'];
  /** The authorization servers whose access tokens clients may call with. `undefined` for none. */
  readonly bearer: Options['bearer'];
}
