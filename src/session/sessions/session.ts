import { randomBytes } from 'node:crypto';
import type { SignIn } from '../../oauth/login/sign-in.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';

/** A user's connected account at a further provider, with its tokens. */
export type Connection = Omit<SignIn, 'sessionState' | 'sessionExpiry'>;

/** A client of our own authorization server. */
export interface SessionClient {
  /** The `client_id`. */
  readonly id: string;
  /** The name that its user saw on the consent page. */
  readonly name: string;
}

/**
 * The session of a signed-in browser or client, with what the sign-in brought. All times are epoch
 * milliseconds.
 */
export interface Session extends Omit<SignIn, 'sessionExpiry'> {
  /**
   * The public session id, for `logout?sid=` and session lists. It is a hash of the secret in the
   * cookie and the name of the record.
   */
  readonly id: string;
  /** The `id` of the provider in the configuration. */
  readonly provider: string;
  readonly createdAt: number;
  /** When the callback arrived, by the store's clock. A logout after it ends this session. */
  readonly begunAt: number;
  /**
   * The absolute end: `session.absolute` after the sign-in, or earlier if the provider's session
   * ends. See `endOf`.
   */
  readonly expiresAt: number;
  readonly userAgent?: string;
  /** The client that has a handle of this session. `undefined` if a browser has its cookie. */
  readonly client?: SessionClient;
  /** Accounts at further providers, by provider id. */
  readonly connections?: Readonly<Record<string, Connection>>;
  /** Access tokens for single routes, by policy name. */
  readonly routeTokens?: Readonly<Record<string, TokenSet>>;
}

/** How long sessions last, in milliseconds. */
export interface SessionLimits {
  readonly idle: number;
  readonly absolute: number;
}

/**
 * Returns 256 random bits as base64url, for a session cookie or a login binding. They identify a
 * record and are stored only in the cookie.
 */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** A session that has no cookie yet, and so no id. */
export type NewSession = Omit<Session, 'id'>;

/** The start times of a session, in epoch milliseconds. */
export interface StartTimes {
  readonly now: number;
  /** By the store's clock, read before the code is redeemed. */
  readonly begunAt: number;
}

/** Creates the session for a sign-in. Cuts the user agent to 512 characters. */
export function beginSession(
  { sessionExpiry, ...signIn }: SignIn,
  provider: string,
  userAgent: string | undefined,
  limits: SessionLimits,
  { now, begunAt }: StartTimes,
): NewSession {
  return {
    ...signIn,
    provider,
    createdAt: now,
    begunAt,
    expiresAt: absoluteEnd(now, limits, sessionExpiry),
    ...(userAgent && { userAgent: userAgent.slice(0, 512) }),
  };
}

/**
 * Checks that a stored value is a `Session`. A record of another release may differ; its user must
 * sign in again.
 */
export function isSession(value: unknown): value is Session {
  const session = (value ?? {}) as Session;
  const { id, provider, issuer, clientId, sub, claims, tokens, createdAt, begunAt, expiresAt } =
    session;
  const texts: unknown[] = [id, provider, issuer, clientId, sub, tokens?.accessToken];
  const times: unknown[] = [createdAt, begunAt, expiresAt, tokens?.obtainedAt];
  return (
    texts.every((text) => typeof text === 'string') &&
    times.every((time) => typeof time === 'number') &&
    typeof claims === 'object'
  );
}

/**
 * Returns the session with refreshed tokens. `sessionExpiry` is the new end of the provider's
 * session and sets the absolute end; without it, the end stays.
 */
export function withTokens(
  session: Session,
  tokens: TokenSet,
  limits: SessionLimits,
  sessionExpiry?: number,
): Session {
  const { createdAt, expiresAt } = session;
  const ceiling = absoluteEnd(createdAt, limits, sessionExpiry);
  return { ...session, tokens, expiresAt: sessionExpiry === undefined ? expiresAt : ceiling };
}

/**
 * The time at which the session ends even if it is used, in epoch milliseconds: its absolute end,
 * or earlier if the last refresh and access tokens expire.
 */
export function endOf({ expiresAt, tokens }: Session): number {
  if (tokens.refreshExpiresAt === undefined) return expiresAt;
  return Math.min(expiresAt, Math.max(tokens.refreshExpiresAt, tokens.expiresAt ?? Infinity));
}

/** The milliseconds that the session may stay unused from now on, never beyond its end. */
export function idleTimeLeft(session: Session, limits: SessionLimits, now: number): number {
  return Math.min(limits.idle, endOf(session) - now);
}

function absoluteEnd(
  createdAt: number,
  { absolute }: SessionLimits,
  sessionExpiry = Infinity,
): number {
  return Math.min(createdAt + absolute, sessionExpiry);
}
