/**
 * The known settings of a provider: option defaults as in `bff.yaml`, and traits that no option
 * covers. The operator's options take precedence.
 */
export interface Preset {
  readonly options: PresetOptions;
  /** An example of a tenant's issuer. Not set if the provider has a single issuer. */
  readonly issuerExample?: string;
  /** Shared issuers, whose metadata contain a different issuer. */
  readonly sharedIssuers?: RegExp;
  /** Set if issuers end with a slash. A missing slash is added. */
  readonly issuerEndsWithSlash?: true;
  /** The provider's name for `login_hint`. Defaults to `login_hint`. */
  readonly loginHint?: string;
  /** Parameters that replace the scope `offline_access`, if the provider does not support it. */
  readonly offlineAccess?: Readonly<Record<string, string>>;
  /**
   * Set if UserInfo does not accept access tokens for other APIs. All claims must then be in the ID
   * token.
   */
  readonly withoutUserInfo?: true;
  /**
   * The path of the e-mail endpoint below the user endpoint. It is used if one of the scopes was
   * granted.
   */
  readonly emails?: { readonly path: string; readonly scopes: readonly string[] };
  /** Maps the provider's own error codes to those of RFC 6749 §5.2. */
  readonly errors?: Readonly<Record<string, string>>;
  /** Set if tokens are revoked by `DELETE` with the access token as JSON instead of RFC 7009. */
  readonly revokesByDelete?: true;
}

/** The options a preset can set. `{clientId}` in a URL is replaced by the client identifier. */
export interface PresetOptions {
  readonly name: string;
  readonly type: 'oidc' | 'oauth2';
  readonly issuer?: string;
  readonly authorizationEndpoint?: string;
  readonly tokenEndpoint?: string;
  readonly userinfoEndpoint?: string;
  readonly revocationEndpoint?: string;
  readonly clientAuth?: 'client_secret_basic' | 'client_secret_post';
  readonly scopes?: readonly string[];
  readonly loginParams?: readonly string[];
  readonly user?: Readonly<Record<string, string | readonly string[]>>;
}
