import type { RefreshOutcome } from '../../oauth/tokens/refresh.ts';
import type { TokenPolicy } from '../../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { isConnection, sessionAt } from '../sessions/linked-accounts.ts';
import { isSameToken, refusalNote } from './refused-tokens.ts';
import { type Session, type SessionLimits, withTokens } from '../sessions/session.ts';

/**
 * More than this many tokens of routes no session keeps: a configuration that changes leaves some
 * behind.
 */
const mostRouteTokens = 32;

/** One of a session's access tokens that is to be fetched, and what it is to replace. */
export interface TokenRequest {
  readonly session: Session;
  /** Whose own token it is. Absent: the token of the sign-in. */
  readonly policy?: TokenPolicy | undefined;
  /** The token, as it was sent, that an upstream refused before it expired. */
  readonly refused?: TokenSet | undefined;
  /** Names who acts for the user, where the policy wants that. */
  readonly actorToken?: string | undefined;
}

/** The access token of the sign-in or, by a policy, of a route. Absent: there is none yet. */
export function tokensIn(session: Session, policy: TokenPolicy | undefined): TokenSet | undefined {
  return policy ? session.routeTokens?.[policy.name] : session.tokens;
}

/** The same in a session as it is stored now. */
function storedTokens(
  { session: { provider }, policy }: TokenRequest,
  stored: Session,
): TokenSet | undefined {
  const there = sessionAt(stored, provider);
  return there && tokensIn(there, policy);
}

/** Whether another request fetched the token after it was found missing, stale or refused. */
export function isFetched(wanted: TokenRequest, stored: Session): boolean {
  const found = storedTokens(wanted, stored);
  const stale = wanted.refused ?? tokensIn(wanted.session, wanted.policy);
  if (!found || !stale) return found !== undefined;
  return !isSameToken(found, stale);
}

/** One name for each token of each session. */
export function nameOf({ session: { id, provider }, policy }: TokenRequest): string {
  return [id, policy?.name ?? provider].join(' ');
}

/**
 * Names what only one may spend at a time, within a session. Absent: the refresh token of its
 * sign-in.
 */
export function lockNameOf({ session, policy }: TokenRequest): string | undefined {
  if (policy?.kind === 'exchange') return policy.name;
  return isConnection(session) ? session.provider : undefined;
}

type Fresh = Extract<RefreshOutcome, { kind: 'refreshed' }>;

/** The stored session with what has been fetched. */
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
  // A request for another token spends the refresh token too; the access token of the sign-in
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

/** The newest come last; where there are too many the oldest go. */
function withRouteToken(session: Session, { name }: TokenPolicy, fresh: TokenSet): Session {
  const { accessToken, obtainedAt, expiresAt, refusedAt, scope, dpopKey } = fresh;
  const token = { accessToken, obtainedAt, ...defined({ expiresAt, refusedAt, scope, dpopKey }) };
  const others = Object.entries(session.routeTokens ?? {}).filter(([other]) => other !== name);
  const kept = [...others, [name, token] as const].slice(-mostRouteTokens);
  return { ...session, routeTokens: Object.fromEntries(kept) };
}

function defined<Entries extends object>(
  entries: Entries,
): { [Name in keyof Entries]?: NonNullable<Entries[Name]> } {
  const given = Object.entries(entries).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as never;
}
