import { endOf, type Session } from './session.ts';

/** A session in a list, without its tokens and claims, which would take too much memory. */
export interface SeenSession {
  readonly session: Pick<Session, 'id' | 'provider' | 'sub' | 'createdAt' | 'userAgent' | 'client'>;
  readonly lastSeenAt: number;
  /** The absolute expiry time, in epoch milliseconds. */
  readonly expiresAt: number;
}

/** A session as shown to its user and the operator. Times are ISO 8601. */
export interface SessionEntry {
  readonly id: string;
  /** Whether it is the session of the current request. */
  readonly current: boolean;
  readonly provider: string;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  readonly expiresAt: string;
  /** The `User-Agent` at the sign-in, `null` if none was sent. */
  readonly userAgent: string | null;
  /** The name of the client that has the session. Missing if it is that of a browser. */
  readonly client?: string;
}

/** The public description of a session. Without `currentId`, no session is `current`. */
export function sessionEntry(
  { session, lastSeenAt, expiresAt }: SeenSession,
  currentId?: string,
): SessionEntry {
  const { id, provider, createdAt, userAgent = null, client } = session;
  return {
    id,
    current: id === currentId,
    provider,
    createdAt: new Date(createdAt).toISOString(),
    lastSeenAt: new Date(lastSeenAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
    userAgent,
    ...(client && { client: client.name }),
  };
}

/** The list entry of a session that was last used at `lastSeenAt`, in epoch milliseconds. */
export function seenSession(session: Session, lastSeenAt: number): SeenSession {
  const { id, provider, sub, createdAt, userAgent, client } = session;
  const named = { ...(userAgent !== undefined && { userAgent }), ...(client && { client }) };
  return {
    session: { id, provider, sub, createdAt, ...named },
    lastSeenAt,
    expiresAt: endOf(session),
  };
}
