import type { SignIn } from '../../oauth/login/login.ts';
import type { AccountProvider } from '../../oauth/providers.ts';
import type { NewSession, Session } from './session.ts';

/** A user's connected account at a further provider, with its tokens. */
export type Connection = Omit<SignIn, 'sessionState' | 'sessionExpiry'>;

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

/** Checks that a session is the `sessionAt` view of a connected account. */
export function isConnection({ connections, provider }: Session): boolean {
  return connections?.[provider] !== undefined;
}

/** Returns `sessionAt` views of all accounts in a session, that of the sign-in first. */
export function everywhere(session: Session): Session[] {
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
 * Returns the session without the account at this provider and the route tokens that came from it.
 */
export function withoutConnection(session: Session, provider: string): Session {
  const { connections, routeTokens, ...rest } = session;
  return {
    ...rest,
    ...without(connections, 'connections', (id) => id === provider),
    ...without(routeTokens, 'routeTokens', (name) => name.startsWith(`${provider}:`)),
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

/** Omits an empty map, so that it is not stored. */
function without<Name extends keyof NewSession>(
  entries: Readonly<Record<string, unknown>> | undefined,
  name: Name,
  isMeant: (key: string) => boolean,
): Partial<Pick<Session, Name>> {
  const others = Object.entries(entries ?? {}).filter(([key]) => !isMeant(key));
  return others.length > 0 ? ({ [name]: Object.fromEntries(others) } as never) : {};
}
