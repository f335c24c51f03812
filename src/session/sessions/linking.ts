import { BffError } from '../../errors.ts';
import { sessionAt, withConnection, withoutConnection } from './linked-accounts.ts';
import type { SessionIndex } from './session-index.ts';
import type { SessionStore } from './session-store.ts';
import type { Connection, Session } from './session.ts';

/** The store of sessions and their index. */
export interface SessionStorage {
  readonly store: SessionStore;
  readonly index: SessionIndex;
}

/** An account to connect to a session. */
export interface NewConnection {
  /** The id of the session. */
  readonly id: string;
  readonly provider: string;
  readonly connection: Connection;
  /**
   * When the sign-in began, read from the store's clock before the code was redeemed, in epoch
   * milliseconds. A logout after it ends this connection.
   */
  readonly begunAt: number;
}

/**
 * Connects an account at a further provider to an existing session. Returns the account it
 * replaces, `undefined` if there was none. The account is added to the index before the session, so
 * that a logout token finds it. Throws `session_mismatch` if the session has ended or is at this
 * provider itself, and `login_expired` if the provider ended the account's session in the meantime.
 */
export async function addConnection(
  { store, index }: SessionStorage,
  { id, provider, connection, begunAt }: NewConnection,
): Promise<Session | undefined> {
  const { issuer, clientId, sub, sid } = connection;
  const at = { issuer, clientId, sub, ...(sid !== undefined && { sid }) };
  const entry = { id, createdAt: begunAt, begunAt, ...at };
  if (!(await index.add(entry))) throw ended();
  let replaced: Session | undefined;
  const session = await store.changeNow(id, (before) => {
    if (before.provider === provider) return before;
    replaced = sessionAt(before, provider);
    return withConnection(before, provider, connection);
  });
  if (!session || session.provider === provider) {
    await index.remove(entry);
    const cause = new Error(session ? 'it is signed in at that provider' : 'the session is over');
    throw new BffError('session_mismatch', { cause });
  }
  if (await index.isStillValid(entry)) return replaced;
  await removeConnection({ store, index }, id, provider);
  throw ended();
}

/** Removes a connected account from a session and returns it, `undefined` if there is none. */
export async function removeConnection(
  { store, index }: SessionStorage,
  id: string,
  provider: string,
): Promise<Session | undefined> {
  let removed: Session | undefined;
  const found = await store.read(id);
  if (!found?.connections?.[provider]) return undefined;
  await store.changeNow(id, (before) => {
    removed = before.provider === provider ? undefined : sessionAt(before, provider);
    return withoutConnection(before, provider);
  });
  if (removed) {
    const { connections: _, ...entry } = removed;
    await index.remove(entry);
  }
  return removed;
}

function ended(): BffError {
  const cause = new Error('the provider has ended the session in the meantime');
  return new BffError('login_expired', { cause });
}
