import { endOf, type Session } from './session.ts';

/** What a list says of a session: neither its tokens nor its claims, of which thousands would fill the memory. */
export interface SeenSession {
  readonly session: Pick<Session, 'id' | 'provider' | 'sub' | 'createdAt' | 'userAgent'>;
  readonly lastSeenAt: number;
  /** When it ends however much it is used, in epoch milliseconds. */
  readonly expiresAt: number;
}

/** A session as its user and the operator see it. Times are ISO 8601. */
export interface SessionEntry {
  readonly id: string;
  /** Whether it is the session of who asks. */
  readonly current: boolean;
  readonly provider: string;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  readonly expiresAt: string;
  /** As the browser called itself at the sign-in. `null`: it sent no name. */
  readonly userAgent: string | null;
}

/** Nothing of a session but what helps to recognise it. Without a `currentId` nobody asks from one of the sessions. */
export function sessionEntry(
  { session, lastSeenAt, expiresAt }: SeenSession,
  currentId?: string,
): SessionEntry {
  const { id, provider, createdAt, userAgent = null } = session;
  return {
    id,
    current: id === currentId,
    provider,
    createdAt: new Date(createdAt).toISOString(),
    lastSeenAt: new Date(lastSeenAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
    userAgent,
  };
}

/** What a list says of a session that was last used at `lastSeenAt`, in epoch milliseconds. */
export function seenSession(session: Session, lastSeenAt: number): SeenSession {
  const { id, provider, sub, createdAt, userAgent } = session;
  const named = userAgent === undefined ? {} : { userAgent };
  return {
    session: { id, provider, sub, createdAt, ...named },
    lastSeenAt,
    expiresAt: endOf(session),
  };
}
