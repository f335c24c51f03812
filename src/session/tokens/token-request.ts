import { type Claims, claimsInIdToken } from '../../oauth/login/claims.ts';
import { withoutRemoved } from '../../oauth/login/merge-claims.ts';
import type { RefreshOutcome } from '../../oauth/tokens/refresh.ts';
import type { TokenPolicy } from '../../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { sourcesOf } from '../claims/claims-policy.ts';
import { isConnection, sessionAt, withAccount } from '../sessions/linked-accounts.ts';
import type { BackoffNames } from './refresh-backoff.ts';
import { isSameToken, refusedAtOf } from './refused-tokens.ts';
import { type Session, type SessionLimits, withTokens } from '../sessions/session.ts';

/**
 * The maximum number of route tokens in a session. Configuration changes leave unused ones behind.
 */
const maxRouteTokens = 32;

/** A request for one of a session's access tokens, and the token it replaces. */
export interface TokenRequest {
  readonly session: Session;
  /** The policy of the token. Optional: without it, the token of the sign-in is meant. */
  readonly policy?: TokenPolicy | undefined;
  /** The token as sent, if an upstream refused it before it expired. */
  readonly refused?: TokenSet | undefined;
  /** The actor token (RFC 8693 §2.1), if the policy requires one. */
  readonly actorToken?: string | undefined;
  /** Whether the caller reads the claims again itself, so that the hook is called once. */
  readonly leavesClaims?: boolean;
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

/** The names of the backoffs that apply to a request. */
export function backoffNamesOf(request: TokenRequest): BackoffNames {
  const { session, policy } = request;
  const { provider } = session;
  return { token: nameOf(request), kind: policy?.name ?? `${provider}:refresh`, provider };
}

/**
 * Returns the name of the lock within a session. `undefined` stands for the refresh token of the
 * sign-in.
 */
export function lockNameOf({ session, policy }: TokenRequest): string | undefined {
  if (policy?.kind === 'exchange') return policy.name;
  return isConnection(session) ? session.provider : undefined;
}

/** The tokens of a response, and the claims that an account has with them. */
export type FreshResponse = Extract<RefreshOutcome, { kind: 'refreshed' }> & {
  /** Optional. By default the claims stay. */
  readonly claimsOf?: ((account: Session) => Claims) | undefined;
};

/** Returns the stored session with the fetched tokens. */
export function withFetched(
  { session: { provider }, policy, refused }: TokenRequest,
  { tokens: fetched, sessionExpiry, claimsOf }: FreshResponse,
  stored: Session,
  limits: SessionLimits,
): Session {
  const before = sessionAt(stored, provider);
  if (!before) return stored;
  const note = refusedAtOf(fetched, tokensIn(before, policy), refused !== undefined);
  const tokens = { ...fetched, ...note };
  if (policy?.kind === 'exchange') return withRouteToken(stored, policy, tokens);
  const refreshed = { limits, sessionExpiry, claimsOf, refreshedAt: fetched.obtainedAt };
  if (!policy) return withTokensAt(stored, provider, tokens, refreshed);
  // A request for another token spends the refresh token too. The access token of the sign-in
  // stays.
  const { accessToken, obtainedAt, expiresAt, refusedAt, scope, dpopKey } = before.tokens;
  const { refreshToken, refreshExpiresAt, idToken } = tokens;
  const next = {
    accessToken,
    obtainedAt,
    ...defined({ expiresAt, refusedAt, scope, refreshToken, refreshExpiresAt, idToken, dpopKey }),
  };
  const renewed = withTokensAt(stored, provider, next, refreshed);
  return withRouteToken(renewed, policy, tokens);
}

/** What a response of the token endpoint changes besides the tokens. */
interface RefreshFacts extends Pick<FreshResponse, 'claimsOf' | 'sessionExpiry'> {
  readonly limits: SessionLimits;
  /** Epoch milliseconds. */
  readonly refreshedAt: number;
}

function withTokensAt(
  stored: Session,
  provider: string,
  tokens: TokenSet,
  { limits, sessionExpiry, ...claims }: RefreshFacts,
): Session {
  const before = sessionAt(stored, provider) ?? stored;
  // Only the provider of the sign-in determines when the session ends.
  const session = isConnection(before) ? stored : withTokens(stored, tokens, limits, sessionExpiry);
  return withAccount(session, provider, { tokens, ...freshClaims(before, tokens, claims) });
}

/**
 * Returns the claims and their sources that an account has with refreshed tokens. A new ID token is
 * newer than UserInfo: what it no longer has is removed there too.
 */
export function freshClaims(
  before: Session,
  tokens: TokenSet,
  { claimsOf, refreshedAt }: Pick<RefreshFacts, 'claimsOf' | 'refreshedAt'>,
): Pick<Session, 'claims' | 'sources'> {
  const hasNewIdToken = tokens.idToken !== before.tokens.idToken;
  const known = sourcesOf(before);
  const userInfo =
    hasNewIdToken && known.userInfo
      ? withoutRemoved(known.userInfo, claimsInIdToken(before.tokens), claimsInIdToken(tokens))
      : known.userInfo;
  const sources = {
    ...known,
    refreshedAt,
    ...(userInfo && { userInfo }),
    ...(hasNewIdToken && { isUserInfoNewer: false }),
  };
  const account = { ...before, tokens, sources };
  return { claims: (hasNewIdToken && claimsOf?.(account)) || before.claims, sources };
}

/** Adds a route token as the newest. Beyond the limit, the oldest are dropped. */
function withRouteToken(session: Session, { name }: TokenPolicy, fresh: TokenSet): Session {
  const { accessToken, obtainedAt, expiresAt, refusedAt, scope, dpopKey } = fresh;
  const token = { accessToken, obtainedAt, ...defined({ expiresAt, refusedAt, scope, dpopKey }) };
  const others = Object.entries(session.routeTokens ?? {}).filter(([other]) => other !== name);
  const kept = [...others, [name, token] as const].slice(-maxRouteTokens);
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
