import type { SignIn } from '../../oauth/login/login.ts';
import type { AccountProvider } from '../../oauth/providers.ts';
import type { NewSession, Session } from './session.ts';

/**
 * An account at a second provider that a signed-in user has connected: whose it is there, and its
 * tokens.
 */
export type Connection = Omit<SignIn, 'sessionState' | 'sessionExpiry'>;

/**
 * What a sign-in at a second provider leaves in the session. The session's own end is no affair of
 * that provider's.
 */
export function connectionOf(signIn: SignIn): Connection {
  const { sessionState: _, sessionExpiry: __, ...connection } = signIn;
  return connection;
}

/**
 * The session as it is at one of the providers its user has an account at: with the subject, claims
 * and tokens of that one. Absent: there is none at this provider. It is for reading; what is stored
 * is the session itself.
 */
export function sessionAt(session: Session, provider: string): Session | undefined {
  if (session.provider === provider) return session;
  const connection = session.connections?.[provider];
  if (!connection) return undefined;
  const { sid: _, sessionState: __, acr: ___, authTime: ____, ...rest } = session;
  return { ...rest, ...connection, provider };
}

/** Whether it is a session as `sessionAt` shows it at a second provider. */
export function isConnection({ connections, provider }: Session): boolean {
  return connections?.[provider] !== undefined;
}

/** Every provider the session's user has an account at, that of the sign-in first. */
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

/** The session with an account at a second provider. What an earlier one there has left is gone. */
export function withConnection(
  session: Session,
  provider: string,
  connection: Connection,
): Session {
  const before = withoutConnection(session, provider);
  return { ...before, connections: { ...before.connections, [provider]: connection } };
}

/** The session without the account at this provider, and without tokens that routes got by it. */
export function withoutConnection(session: Session, provider: string): Session {
  const { connections, routeTokens, ...rest } = session;
  return {
    ...rest,
    ...without(connections, 'connections', (id) => id === provider),
    ...without(routeTokens, 'routeTokens', (name) => name.startsWith(`${provider}:`)),
  };
}

/**
 * The session without accounts at providers that are no longer configured. Returns `undefined` if
 * that includes the session's own provider: the session has ended.
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

/** Absent and empty are the same, so that nothing is stored for it. */
function without<Name extends keyof NewSession>(
  entries: Readonly<Record<string, unknown>> | undefined,
  name: Name,
  isMeant: (key: string) => boolean,
): Partial<Pick<Session, Name>> {
  const others = Object.entries(entries ?? {}).filter(([key]) => !isMeant(key));
  return others.length > 0 ? ({ [name]: Object.fromEntries(others) } as never) : {};
}
