import type { SignIn } from '../../oauth/login/sign-in.ts';
import type { AccountProvider } from '../../oauth/provider-registry.ts';
import type { Connection, Session } from './session.ts';

/**
 * Returns the connected account for a sign-in at a further provider. Drops `sessionExpiry`, because
 * that provider does not determine when the session ends, and `sessionState`.
 */
export function connectionOf(signIn: SignIn): Connection {
  const { sessionState: _, sessionExpiry: __, ...connection } = signIn;
  return connection;
}

/**
 * Returns a read-only view of a session at one of its providers: with the subject, claims and
 * tokens of that account. `undefined` if there is no account at this provider. Do not store the
 * view.
 */
export function sessionAt(session: Session, provider: string): Session | undefined {
  if (session.provider === provider) return session;
  const connection = session.connections?.[provider];
  if (!connection) return undefined;
  const { sid: _, sessionState: __, acr: ___, authTime: ____, sources: _____, ...rest } = session;
  return { ...rest, ...connection, provider };
}

/** Whether a session is the `sessionAt` view of a connected account. */
export function isConnection({ connections, provider }: Session): boolean {
  return connections?.[provider] !== undefined;
}

/** Returns `sessionAt` views of all accounts in a session, that of the sign-in first. */
export function allAccounts(session: Session): Session[] {
  const others = Object.keys(session.connections ?? {});
  return [session, ...others.flatMap((provider) => sessionAt(session, provider) ?? [])];
}

/** An account with the facts that identify the grant of its tokens. */
export type Granted = AccountProvider & Pick<Session, 'sub' | 'sid' | 'tokens'>;

/**
 * Whether the tokens of two accounts may come from one grant. Many authorization servers keep one
 * grant for each client and session, reuse it for every sign-in in that session, and end it when
 * any of its refresh tokens is revoked.
 */
export function mayShareGrant(one: Granted, other: Granted): boolean {
  const isSameUser =
    one.issuer === other.issuer && one.clientId === other.clientId && one.sub === other.sub;
  return isSameUser && (one.sid ?? other.sid) === (other.sid ?? one.sid);
}

/**
 * Returns the session with a connected account, which replaces an earlier one at this provider and
 * the route tokens that came from it.
 */
export function withConnection(
  session: Session,
  provider: string,
  connection: Connection,
): Session {
  const before = withoutConnection(session, provider);
  return { ...before, connections: { ...before.connections, [provider]: connection } };
}

/**
 * Returns the session with changes of its account at this provider: of the connected account, or of
 * the session itself if there is none.
 */
export function withAccount(
  session: Session,
  provider: string,
  changes: Partial<Pick<Session, 'claims' | 'sources' | 'tokens'>>,
): Session {
  const connection = session.connections?.[provider];
  if (!connection) return { ...session, ...changes };
  const connections = { ...session.connections, [provider]: { ...connection, ...changes } };
  return { ...session, connections };
}

/**
 * Returns the session without the account at this provider and the route tokens that came from it.
 */
export function withoutConnection(session: Session, provider: string): Session {
  const { connections, routeTokens, ...rest } = session;
  const otherConnections = without(connections, (id) => id === provider);
  const otherTokens = without(routeTokens, (name) => name.startsWith(`${provider}:`));
  return {
    ...rest,
    ...(otherConnections && { connections: otherConnections }),
    ...(otherTokens && { routeTokens: otherTokens }),
  };
}

/**
 * Returns the session without accounts at providers that are no longer configured. Returns
 * `undefined` if that includes the session's own provider: the session has ended.
 */
export function atKnownProviders(
  session: Session,
  isKnown: (account: AccountProvider) => boolean,
): Session | undefined {
  if (!isKnown(session)) return undefined;
  const others = Object.entries(session.connections ?? {});
  const unknown = others.filter(([provider, account]) => !isKnown({ ...account, provider }));
  return unknown.reduce((rest, [provider]) => withoutConnection(rest, provider), session);
}

/** Returns the entries that are kept, or `undefined` if none is: an empty map is not stored. */
function without<Value>(
  entries: Readonly<Record<string, Value>> = {},
  isRemoved: (key: string) => boolean,
): Record<string, Value> | undefined {
  const kept = Object.entries(entries).filter(([key]) => !isRemoved(key));
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}
