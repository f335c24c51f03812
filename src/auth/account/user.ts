import { everywhere } from '../../session/sessions/linked-accounts.ts';
import { endOf, type Session } from '../../session/sessions/session.ts';

/** Whose times `user` tells. */
export interface UserView {
  readonly session: Session;
  /** Epoch milliseconds. */
  readonly idleExpiresAt: number;
  readonly now: number;
  readonly logoutUrl: string;
}

/** The signed-in user as `user.format: object`. */
export function userObject({ session, idleExpiresAt, now, logoutUrl }: UserView) {
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
    },
    logoutUrl,
    ...(session.connections && { connections: connectedAccounts(session) }),
  };
}

/** Who the user is at further providers, by claims, never by tokens. */
function connectedAccounts(session: Session) {
  return everywhere(session)
    .slice(1)
    .map(({ provider, sub, claims }) => ({ provider, sub, claims }));
}

/**
 * One claim in the form front ends written for Duende BFF expect; a claim with several values
 * stands several times.
 */
export interface ClaimRecord {
  readonly type: string;
  readonly value: unknown;
  readonly valueType: string | null;
}

/** The signed-in user as `user.format: claims-array`. */
export function claimRecords({ session, idleExpiresAt, now, logoutUrl }: UserView): ClaimRecord[] {
  const ofTheUser = Object.entries({ sub: session.sub, ...session.claims }).flatMap(
    ([type, value]) => [value].flat().map((single) => claimRecord(type, single)),
  );
  return [
    ...ofTheUser,
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

/** Whole seconds to the nearer of the idle and the absolute end. */
function secondsLeft(session: Session, idleExpiresAt: number, now: number): number {
  return Math.max(0, Math.floor((Math.min(endOf(session), idleExpiresAt) - now) / 1000));
}
