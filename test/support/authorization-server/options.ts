import type {
  ClientAuthMethod,
  ClientMetadata,
  Configuration,
  ResourceServer,
} from 'oidc-provider';
import type { ServerTls } from '../upstream/upstream.ts';

/** The people who can sign in, by subject, with their claims. The first one is the default. */
export type People = Record<string, Record<string, unknown>>;

/**
 * What a test may want different. Without any: opaque access tokens, PKCE required, PAR and DPoP
 * not offered.
 */
export interface AuthorizationServerOptions {
  /**
   * Host name in the issuer. `127.0.0.1` when not given: another site than the BFF's `localhost`.
   */
  readonly host?: '127.0.0.1' | 'localhost';
  readonly tls?: ServerTls;
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly clientAuth?: ClientAuthMethod;
  /** Further metadata of the client. */
  readonly client?: Partial<ClientMetadata>;
  readonly people?: People;
  readonly scopes?: string[];
  readonly accessTokenSeconds?: number;
  /** False: none are issued. */
  readonly refreshTokens?: boolean;
  /** True when not given: each refresh spends its token, and a spent one revokes the grant. */
  readonly rotateRefreshTokens?: boolean;
  readonly pkceRequired?: boolean;
  readonly par?: 'off' | 'offered' | 'required';
  readonly jar?: boolean;
  readonly jarm?: boolean;
  readonly dpop?: boolean | 'nonce';
  readonly clientCredentials?: boolean;
  readonly revocation?: boolean;
  readonly rpInitiatedLogout?: boolean;
  readonly backchannelLogout?: boolean;
  /** True when not given; oidc-provider has no UserInfo for JWT access tokens. */
  readonly userinfo?: boolean;
  /** False: `profile` and `email` claims are at UserInfo only. */
  readonly claimsInIdToken?: boolean;
  /** Access tokens are JWTs for this audience. They are opaque by default. */
  readonly jwtAccessTokens?: { readonly audience: string };
  /** Resource servers that `resource` may name (RFC 8707). */
  readonly resources?: Record<string, Partial<ResourceServer>>;
  /** The last word on oidc-provider's configuration. */
  readonly configuration?: (defaults: Configuration) => Configuration;
}
