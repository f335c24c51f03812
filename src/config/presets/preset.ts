/**
 * What is known of a well-known service, so that an operator need not find it out: options of a
 * provider as `bff.yaml` would say them, and what no option says. Whatever the operator writes wins
 * over it.
 */
export interface Preset {
  readonly options: PresetOptions;
  /** What an issuer of one's own looks like. Absent: the service has one address for everybody. */
  readonly issuerExample?: string;
  /** Issuers that belong to nobody in particular, whose metadata name another one. */
  readonly sharedIssuers?: RegExp;
  /** The issuer ends with a slash, and people forget it. */
  readonly issuerEndsWithSlash?: true;
  /** The name of `login_hint` at the service. */
  readonly loginHint?: string;
  /**
   * What the service wants to hear in the place of the scope `offline_access`, which it does not
   * know.
   */
  readonly offlineAccess?: Readonly<Record<string, string>>;
  /**
   * The access token is for the service's APIs or for ours, never for UserInfo as well: the ID
   * token has to say it all.
   */
  readonly withoutUserInfo?: true;
  /**
   * Where further addresses of the user are, below the user endpoint, if one of these scopes was
   * granted.
   */
  readonly emails?: { readonly path: string; readonly scopes: readonly string[] };
  /** The service's own names for the errors of RFC 6749 §5.2. */
  readonly errors?: Readonly<Record<string, string>>;
  /** Tokens are not revoked as RFC 7009 says, but by a `DELETE` with the access token as JSON. */
  readonly revokesByDelete?: true;
}

/** The options a preset may give. `{clientId}` in an address stands for the client identifier. */
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
