import { randomBytes } from 'node:crypto';
import type { Claims } from '../../oauth/login/claims.ts';
import type { SignIn } from '../../oauth/login/login.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import type { Connection } from './linked-accounts.ts';

/** What we remember about a signed-in browser. All times are epoch milliseconds. */
export interface Session {
  /**
   * A public name, for `logout?sid=` and lists: that of its record, a hash of what the cookie
   * holds.
   */
  readonly id: string;
  /** The provider's `id` in our configuration. */
  readonly provider: string;
  readonly issuer: string;
  /** The client that the tokens were issued to. */
  readonly clientId: string;
  readonly sub: string;
  readonly claims: Claims;
  readonly tokens: TokenSet;
  readonly createdAt: number;
  /** When its callback arrived, by the store's clock. A later logout also ends this session. */
  readonly begunAt: number;
  /**
   * Its absolute end: `session.absolute`, or earlier where the provider's own session ends. See
   * `endOf`.
   */
  readonly expiresAt: number;
  /** The provider's name for its own session. */
  readonly sid?: string;
  readonly sessionState?: string;
  readonly userAgent?: string;
  /** How the user has signed in (`acr`). Absent: the provider did not say. */
  readonly acr?: string;
  /** When that was at the provider (`auth_time`). Absent: the provider did not say. */
  readonly authTime?: number;
  /** Accounts at further providers, by the providers' ids. Absent: none. */
  readonly connections?: Readonly<Record<string, Connection>>;
  /**
   * Access tokens that routes have of their own, by the names of their policies. Absent: none was
   * asked for yet.
   */
  readonly routeTokens?: Readonly<Record<string, TokenSet>>;
}

/** How long sessions last, in milliseconds. */
export interface SessionLimits {
  readonly idle: number;
  readonly absolute: number;
}

/**
 * A cookie's value or a binding: 256 random bits that name a record and are written nowhere but in
 * the cookie.
 */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** A session before it has a cookie, and so before it has an id. */
export type NewSession = Omit<Session, 'id'>;

/** The start times of a session, in epoch milliseconds. */
export interface BeginningTimes {
  readonly now: number;
  /** By the store's clock, read before the code was redeemed. */
  readonly begunAt: number;
}

/** The session that begins with a sign-in. */
export function beginSession(
  { sessionExpiry, ...signIn }: SignIn,
  provider: string,
  userAgent: string | undefined,
  limits: SessionLimits,
  { now, begunAt }: BeginningTimes,
): NewSession {
  return {
    ...signIn,
    provider,
    createdAt: now,
    begunAt,
    expiresAt: ceilingOf(now, limits, sessionExpiry),
    ...(userAgent && { userAgent: userAgent.slice(0, 512) }),
  };
}

/**
 * Whether a stored value has the shape above. A record of another release may not: its user is
 * asked to sign in again.
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

/** The session with the tokens of a refresh, and with the end the provider's session has now. */
export function withTokens(
  session: Session,
  tokens: TokenSet,
  limits: SessionLimits,
  sessionExpiry?: number,
): Session {
  const { createdAt, expiresAt } = session;
  const ceiling = ceilingOf(createdAt, limits, sessionExpiry);
  return { ...session, tokens, expiresAt: sessionExpiry === undefined ? expiresAt : ceiling };
}

/**
 * When the session ends however much it is used: at its absolute end, or earlier where its last
 * token ends and the provider has said that there will be no other.
 */
export function endOf({ expiresAt, tokens }: Session): number {
  if (tokens.refreshExpiresAt === undefined) return expiresAt;
  return Math.min(expiresAt, Math.max(tokens.refreshExpiresAt, tokens.expiresAt ?? Infinity));
}

/** How long the session may stay unused from now on, in milliseconds; never beyond its end. */
export function idleTimeLeft(session: Session, limits: SessionLimits, now: number): number {
  return Math.min(limits.idle, endOf(session) - now);
}

function ceilingOf(
  createdAt: number,
  { absolute }: SessionLimits,
  sessionExpiry = Infinity,
): number {
  return Math.min(createdAt + absolute, sessionExpiry);
}
