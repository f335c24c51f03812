/**
 * The claims of a user that OpenID Connect names (OIDC Core §5.1), and any other claim as
 * `unknown`. The default of every `Claims` parameter.
 */
export interface StandardClaims {
  readonly name?: string;
  readonly given_name?: string;
  readonly family_name?: string;
  readonly nickname?: string;
  readonly preferred_username?: string;
  readonly picture?: string;
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly locale?: string;
  readonly zoneinfo?: string;
  readonly [claim: string]: unknown;
}

/** A further account that is connected to the session. */
export interface ConnectedAccount {
  readonly provider: string;
  readonly sub: string;
  readonly claims: StandardClaims;
}

/** The session of a user. The optional members are missing with `user.format: claims-array`. */
export interface UserSession {
  /** The public id of the session. It is not a secret. */
  readonly id: string;
  /** When the user signed in (ISO 8601). */
  readonly createdAt?: string;
  /** When the session ends at the latest (ISO 8601). */
  readonly expiresAt?: string;
  /** When the session ends without activity (ISO 8601). */
  readonly idleExpiresAt?: string;
  /** Seconds until the nearer of the two ends, at the time of the response. */
  readonly expiresIn: number;
  /** When the access token of the session expires (ISO 8601). It is replaced before that. */
  readonly accessTokenExpiresAt?: string;
}

/** The signed-in user, as `/bff/user` describes it. `Claims` is the type of the claims. */
export interface BffUser<Claims extends object = StandardClaims> {
  /** The subject identifier at the provider. */
  readonly sub: string;
  /** The id of the provider. Empty with `user.format: claims-array`. */
  readonly provider: string;
  readonly claims: Claims;
  readonly session: UserSession;
  /** The address of a link that signs out. */
  readonly logoutUrl: string;
  /** Further accounts of the session. Missing if there are none. */
  readonly connections?: readonly ConnectedAccount[];
}

/** One claim in `user.format: claims-array`. */
interface ClaimRecord {
  readonly type: string;
  readonly value: unknown;
  readonly valueType: string | null;
}

/**
 * Returns the user in the body of a `/bff/user` response, in either of its formats, or `undefined`
 * for a signed-out user.
 */
export function userIn<Claims extends object>(body: unknown): BffUser<Claims> | undefined {
  const user = Array.isArray(body) ? userOfRecords(body as ClaimRecord[]) : body;
  return (user as BffUser<Claims> | null) ?? undefined;
}

function userOfRecords(records: readonly ClaimRecord[]): unknown {
  const claims = Object.create(null) as Record<string, unknown>;
  for (const { type, value, valueType } of records) {
    const parsed: unknown = valueType ? JSON.parse(value as string) : value;
    claims[type] = type in claims ? [claims[type], parsed].flat() : parsed;
  }
  const logoutUrl = String(claims['bff:logout_url']);
  const id = new URLSearchParams(logoutUrl.split('?')[1]).get('sid');
  const session = { id, expiresIn: claims['bff:session_expires_in'] };
  return { sub: claims['sub'], provider: '', claims, session, logoutUrl };
}
