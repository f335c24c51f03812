import { allAccounts } from '../../session/sessions/linked-accounts.ts';
import { endOf, type Session } from '../../session/sessions/session.ts';

/**
 * The latest time of a `Date`, in epoch milliseconds (ECMA-262 §21.4.1.1). A provider may issue a
 * token with a longer lifetime.
 */
const latestDate = 8.64e15;

/** The input of the user views. */
export interface UserView {
  readonly session: Session;
  /** Epoch milliseconds. */
  readonly idleExpiresAt: number;
  readonly now: number;
  readonly logoutUrl: string;
}

/** Returns the signed-in user for `user.format: object`. */
export function userObject({ session, idleExpiresAt, now, logoutUrl }: UserView) {
  const { expiresAt: accessTokenExpiresAt } = session.tokens;
  return {
    sub: session.sub,
    provider: session.provider,
    claims: session.claims,
    session: {
      id: session.id,
      createdAt: new Date(session.createdAt).toISOString(),
      expiresAt: new Date(endOf(session)).toISOString(),
      idleExpiresAt: new Date(idleExpiresAt).toISOString(),
      expiresIn: secondsLeft(session, idleExpiresAt, now),
      ...(accessTokenExpiresAt !== undefined &&
        accessTokenExpiresAt <= latestDate && {
          accessTokenExpiresAt: new Date(accessTokenExpiresAt).toISOString(),
        }),
    },
    logoutUrl,
    ...(session.connections && { connections: connectedAccounts(session) }),
  };
}

/** The user's accounts at further providers, without their tokens. */
function connectedAccounts(session: Session) {
  return allAccounts(session)
    .slice(1)
    .map(({ provider, sub, claims }) => ({ provider, sub, claims }));
}

/**
 * One claim, in the format that frontends written for Duende BFF expect. A claim with several
 * values has several records.
 */
export interface ClaimRecord {
  readonly type: string;
  readonly value: unknown;
  readonly valueType: string | null;
}

/** Returns the signed-in user for `user.format: claims-array`. */
export function claimRecords({ session, idleExpiresAt, now, logoutUrl }: UserView): ClaimRecord[] {
  const userClaims = Object.entries({ sub: session.sub, ...session.claims }).flatMap(
    ([type, value]) => [value].flat().map((single) => claimRecord(type, single)),
  );
  return [
    ...userClaims,
    claimRecord('bff:logout_url', logoutUrl),
    claimRecord('bff:session_expires_in', secondsLeft(session, idleExpiresAt, now)),
    ...(session.sessionState ? [claimRecord('bff:session_state', session.sessionState)] : []),
  ];
}

function claimRecord(type: string, value: unknown): ClaimRecord {
  const isObject = typeof value === 'object' && value !== null;
  return isObject
    ? { type, value: JSON.stringify(value), valueType: 'json' }
    : { type, value, valueType: null };
}

/**
 * Whole seconds until the session ends: by idle time or absolute lifetime, whichever is earlier.
 */
function secondsLeft(session: Session, idleExpiresAt: number, now: number): number {
  return Math.max(0, Math.floor((Math.min(endOf(session), idleExpiresAt) - now) / 1000));
}
