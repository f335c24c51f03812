import { BffError } from '../../errors.ts';
import {
  type Connection,
  sessionAt,
  withConnection,
  withoutConnection,
} from './linked-accounts.ts';
import type { SessionIndex } from './session-index.ts';
import type { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** Where sessions are kept, and listed. */
export interface SessionPlaces {
  readonly store: SessionStore;
  readonly index: SessionIndex;
}

/** What is to be added to a session. */
export interface NewConnection {
  /** Of the session. */
  readonly id: string;
  readonly provider: string;
  readonly connection: Connection;
  /**
   * When the sign-in began, read from the store's clock before the code was redeemed, in epoch
   * milliseconds. A later logout also ends this connection.
   */
  readonly begunAt: number;
}

/**
 * Adds an account at a second provider to a session that exists, and gives back the one it
 * replaces, if there was one. It is on the lists of its subject before it is in the session, so
 * that a logout token finds it. Throws `session_mismatch` if the session is over or is one of this
 * provider itself, `login_expired` if the provider ended the account's session meanwhile.
 */
export async function addConnection(
  { store, index }: SessionPlaces,
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

/**
 * Takes the account at a second provider out of a session, and gives back what it was. Absent:
 * there is none.
 */
export async function removeConnection(
  { store, index }: SessionPlaces,
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
  const cause = new Error('the provider has ended the session meanwhile');
  return new BffError('login_expired', { cause });
}
