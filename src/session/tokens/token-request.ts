import type { RefreshOutcome } from '../../oauth/tokens/refresh.ts';
import type { TokenPolicy } from '../../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { isConnection, sessionAt } from '../sessions/linked-accounts.ts';
import { isSameToken, refusalNote } from './refused-tokens.ts';
import { type Session, type SessionLimits, withTokens } from '../sessions/session.ts';

/**
 * The maximum number of route tokens in a session. Configuration changes leave unused ones behind.
 */
const mostRouteTokens = 32;

/** A request for one of a session's access tokens, and the token it replaces. */
export interface TokenRequest {
  readonly session: Session;
  /** The policy of the token. Optional: without it, the token of the sign-in is meant. */
  readonly policy?: TokenPolicy | undefined;
  /** The token as sent, if an upstream refused it before it expired. */
  readonly refused?: TokenSet | undefined;
  /** The actor token (RFC 8693 §2.1), if the policy requires one. */
  readonly actorToken?: string | undefined;
}

/**
 * Returns the access token of a policy, or of the sign-in without one. `undefined` if there is none
 * yet.
 */
export function tokensIn(session: Session, policy: TokenPolicy | undefined): TokenSet | undefined {
  return policy ? session.routeTokens?.[policy.name] : session.tokens;
}

/** The tokens that the stored session now has for a request. */
function storedTokens(
  { session: { provider }, policy }: TokenRequest,
  stored: Session,
): TokenSet | undefined {
  const there = sessionAt(stored, provider);
  return there && tokensIn(there, policy);
}

/** Checks that another request fetched the token after it was found missing, stale or refused. */
export function isFetched(request: TokenRequest, stored: Session): boolean {
  const found = storedTokens(request, stored);
  const stale = request.refused ?? tokensIn(request.session, request.policy);
  if (!found || !stale) return found !== undefined;
  return !isSameToken(found, stale);
}

/** Returns a name that is unique for each token of each session. */
export function nameOf({ session: { id, provider }, policy }: TokenRequest): string {
  return [id, policy?.name ?? provider].join(' ');
}

/**
 * Returns the name of the lock within a session. `undefined` stands for the refresh token of the
 * sign-in.
 */
export function lockNameOf({ session, policy }: TokenRequest): string | undefined {
  if (policy?.kind === 'exchange') return policy.name;
  return isConnection(session) ? session.provider : undefined;
}

type Fresh = Extract<RefreshOutcome, { kind: 'refreshed' }>;

/** Returns the stored session with the fetched tokens. */
export function withFetched(
  { session: { provider }, policy, refused }: TokenRequest,
  { tokens: fetched, sessionExpiry }: Fresh,
  stored: Session,
  limits: SessionLimits,
): Session {
  const before = sessionAt(stored, provider);
  if (!before) return stored;
  const note = refusalNote(fetched, tokensIn(before, policy), refused !== undefined);
  const tokens = { ...fetched, ...note };
  if (policy?.kind === 'exchange') return withRouteToken(stored, policy, tokens);
  if (!policy) return withTokensAt(stored, provider, tokens, limits, sessionExpiry);
  // A request for another token spends the refresh token too. The access token of the sign-in
  // stays.
  const { accessToken, obtainedAt, expiresAt, refusedAt, scope, dpopKey } = before.tokens;
  const { refreshToken, refreshExpiresAt, idToken } = tokens;
  const next = {
    accessToken,
    obtainedAt,
    ...defined({ expiresAt, refusedAt, scope, refreshToken, refreshExpiresAt, idToken, dpopKey }),
  };
  const renewed = withTokensAt(stored, provider, next, limits, sessionExpiry);
  return withRouteToken(renewed, policy, tokens);
}

function withTokensAt(
  stored: Session,
  provider: string,
  tokens: TokenSet,
  limits: SessionLimits,
  sessionExpiry: number | undefined,
): Session {
  const connection = stored.connections?.[provider];
  if (!connection) return withTokens(stored, tokens, limits, sessionExpiry);
  return {
    ...stored,
    connections: { ...stored.connections, [provider]: { ...connection, tokens } },
  };
}

/** Adds a route token as the newest. Beyond the limit, the oldest are dropped. */
function withRouteToken(session: Session, { name }: TokenPolicy, fresh: TokenSet): Session {
  const { accessToken, obtainedAt, expiresAt, refusedAt, scope, dpopKey } = fresh;
  const token = { accessToken, obtainedAt, ...defined({ expiresAt, refusedAt, scope, dpopKey }) };
  const others = Object.entries(session.routeTokens ?? {}).filter(([other]) => other !== name);
  const kept = [...others, [name, token] as const].slice(-mostRouteTokens);
  return { ...session, routeTokens: Object.fromEntries(kept) };
}

/** The entries that are not `undefined`. */
type Defined<Entries> = { [Name in keyof Entries]?: NonNullable<Entries[Name]> };

function defined<Entries extends object>(entries: Entries): Defined<Entries> {
  const rest: Defined<Entries> = {};
  for (const name in entries) {
    const value = entries[name];
    if (value !== undefined && value !== null) rest[name] = value;
  }
  return rest;
}
