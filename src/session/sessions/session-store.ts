import { RedisStore } from 'connect-redis';
import type { SessionData } from 'express-session';
import { BffError } from '../../errors.ts';
import type { AccountProvider } from '../../oauth/provider-registry.ts';
import type { Clock } from '../../clock.ts';
import { atKnownProviders } from './linked-accounts.ts';
import type { Fence, KeyValueStore } from '../store/key-value-store.ts';
import { connectRedisClient } from './connect-redis-client.ts';
import { RefreshLock } from '../tokens/refresh-lock.ts';
import {
  type RecordWatcher,
  type SealedRecord,
  type SealedRecords,
} from '../store/sealed-records.ts';
import type { SessionIndex } from './session-index.ts';
import { parseRecord, secondsLeft, type SignedInData } from './session-record.ts';
import { endOf, idleTimeLeft, type Session, type SessionLimits } from './session.ts';

/** A session as read from the store. */
export interface StoredSession {
  readonly session: Session;
  readonly data: SessionData;
  readonly record: SealedRecord;
}

/** A session and the values that the cache needs. */
export interface SessionInUse {
  readonly session: Session;
  /** When it ends if it stays unused, in epoch milliseconds. */
  readonly idleUntil: number;
  /** The size of its record, in bytes. */
  readonly size: number;
}

/** Returns the changed session. */
export type Change = (session: Session, limits: SessionLimits) => Session;

/**
 * The store of express-session: connect-redis over sealed records, and what it has no method for.
 * Only a sign-in creates a record, and an ended one is never restored: `set` refuses to overwrite,
 * so a late save cannot undo a logout or a refresh. The record's time to live is the idle time.
 * Our code renews it; express-session does not `touch` after each request.
 */
export class SessionStore extends RedisStore {
  constructor(
    private readonly records: SealedRecords,
    private readonly index: SessionIndex,
    private readonly locks: KeyValueStore,
    private readonly limits: SessionLimits,
    private readonly clock: Clock,
    /** Whether the provider of an account is still configured with the same issuer and client. */
    private readonly isKnown: (account: AccountProvider) => boolean,
  ) {
    super({
      client: connectRedisClient(records, async (id) => (await this.readStored(id))?.data),
      prefix: '',
      disableTouch: true,
      ttl: (data: SessionData) => secondsLeft(data, limits, clock()),
    });
  }

  /**
   * Stores a new session under the secret of its cookie. It is added to the index first, so that no
   * logout can miss it. Throws `login_expired` if a logout has ended it in the meantime.
   */
  async begin(secret: string, data: SessionData): Promise<void> {
    const session = data.signedIn;
    if (!session) return;
    if (await this.index.add(session)) {
      await super.set(secret, data);
      if (await this.index.isStillValid(session)) return;
    }
    await this.records.remove(session.id);
    // It may still be in one of its lists.
    await this.index.remove(session);
    throw new BffError('login_expired');
  }

  /** Implements `begin` as the method that express-session calls. Never overwrites a session. */
  override async set(
    secret: string,
    data: SessionData,
    callback: (error?: unknown) => void = throwError,
  ): Promise<void> {
    const failure = await this.begin(secret, data).then(
      () => undefined,
      (error: unknown) => error,
    );
    callback(failure);
  }

  /** Reads a session. `undefined` if it does not exist or has expired. */
  async read(id: string): Promise<Session | undefined> {
    return (await this.readStored(id))?.session;
  }

  /** Reads a session with the record that a later write compares with. */
  async readStored(id: string): Promise<StoredSession | undefined> {
    const record = await this.records.read(id);
    const data = record && this.#parseLive(record.text);
    return data && { session: data.signedIn, data, record };
  }

  /** Reads a session and begins a new idle period. `undefined` if there is none or it expired. */
  async use(id: string): Promise<SessionInUse | undefined> {
    const now = this.clock();
    const record = await this.records.readAndTouch(id, this.limits.idle);
    const found = this.#inUse(record, now);
    if (!found) return undefined;
    const left = found.idleUntil - now;
    // If this fails, the record outlives the session, but is never returned.
    if (left < this.limits.idle) await this.records.touch(id, left).catch(() => false);
    await this.#renewInIndex(found.session);
    return found;
  }

  /** Reads a session last used at `usedAt`, in epoch milliseconds, without a new idle period. */
  async readInUse(id: string, usedAt: number): Promise<SessionInUse | undefined> {
    return this.#inUse(await this.records.read(id), usedAt);
  }

  /**
   * Calls the watcher with the id of a session that may have changed. Without an id, any may have.
   */
  watch(watcher: RecordWatcher): void {
    this.records.watch(watcher);
  }

  /** The lock for a token request of a session, `undefined` while another process holds it. */
  async lockRefresh(id: string, name?: string): Promise<RefreshLock | undefined> {
    return RefreshLock.acquire(this.locks, this.records.lockKey(id, name));
  }

  /**
   * Writes a change and returns the session after it. Returns `undefined` and writes nothing if the
   * session has ended or was changed since it was read.
   */
  async change(
    { session, data, record }: StoredSession,
    change: Change,
    fence?: Fence,
  ): Promise<Session | undefined> {
    const signedIn = change(session, this.limits);
    const text = JSON.stringify({ ...data, signedIn });
    const isWritten = await this.records.replace(session.id, record, text, fence);
    return isWritten ? signedIn : undefined;
  }

  /** Writes a change, and repeats it after concurrent ones. `undefined` if there is no session. */
  async changeNow(id: string, change: Change): Promise<Session | undefined> {
    for (;;) {
      const stored = await this.readStored(id);
      const changed = stored && (await this.change(stored, change));
      if (changed || !stored) return changed;
    }
  }

  /**
   * Writes a change of tokens. Returns `undefined` if the session has ended, was changed since it
   * was read, or the lock was lost.
   */
  async replaceTokens(
    stored: StoredSession,
    change: Change,
    lock: RefreshLock,
  ): Promise<Session | undefined> {
    const session = await this.change(stored, change, lock);
    // The new tokens may have moved the end of the session.
    if (session) await this.slide(session);
    return session;
  }

  /** Begins a new idle period. Returns its end in epoch milliseconds, `undefined` after the end. */
  async slide(session: Session): Promise<number | undefined> {
    const now = this.clock();
    const left = idleTimeLeft(session, this.limits, now);
    await this.#renewInIndex(session);
    return (await this.records.touch(session.id, left)) ? now + left : undefined;
  }

  /** Ends a session after this many milliseconds unless it is used before. */
  async shorten(id: string, milliseconds: number): Promise<void> {
    await this.records.touch(id, Math.min(milliseconds, this.limits.idle));
  }

  /**
   * The time of the last use, in epoch milliseconds, `undefined` if the session has ended. It may
   * lag by a minute, and by more near the absolute end.
   */
  async lastUse({ id, createdAt }: Session): Promise<number | undefined> {
    const left = await this.records.timeToLive(id);
    return left === undefined
      ? undefined
      : Math.max(createdAt, this.clock() + left - this.limits.idle);
  }

  /** The milliseconds until the session ends if it stays unused, `undefined` if it has ended. */
  async timeLeft(id: string): Promise<number | undefined> {
    return this.records.timeToLive(id);
  }

  /** The time at which the session ends if it stays unused, in epoch milliseconds. */
  async idleExpiry(id: string): Promise<number | undefined> {
    const left = await this.timeLeft(id);
    return left === undefined ? undefined : this.clock() + left;
  }

  /**
   * Ends a session. Returns it to the one caller that ended it, `undefined` if it had ended already
   * or cannot be read.
   */
  async end(id: string): Promise<Session | undefined> {
    const text = await this.records.take(id);
    const session = (text === undefined ? undefined : parseRecord(text))?.signedIn;
    // The session has ended even if its index entries remain. Those expire by themselves.
    if (session) await this.index.remove(session).catch(() => undefined);
    return session && atKnownProviders(session, this.isKnown);
  }

  /**
   * Renews the index entries of a session. Ignores errors: a full Redis refuses the write but keeps
   * its sessions, and entries live long enough for the next use to try again.
   */
  async #renewInIndex(session: Session): Promise<void> {
    await this.index.renew(session).catch(() => undefined);
  }

  #inUse(record: SealedRecord | undefined, usedAt: number): SessionInUse | undefined {
    const session = record && this.#parseLive(record.text)?.signedIn;
    if (!session) return undefined;
    const idleUntil = usedAt + idleTimeLeft(session, this.limits, usedAt);
    return { session, idleUntil, size: record.stored.length };
  }

  /**
   * Parses a record. Returns `undefined` if it has expired, this release could not have written it,
   * or its provider has changed. Providers are fixed while the process runs, so cached sessions are
   * not checked again.
   */
  #parseLive(text: string): SignedInData | undefined {
    const data = parseRecord(text);
    const isLive = data && endOf(data.signedIn) > this.clock();
    const signedIn = isLive ? atKnownProviders(data.signedIn, this.isKnown) : undefined;
    return data && signedIn && { ...data, signedIn };
  }
}

function throwError(error?: unknown): void {
  if (error !== undefined) throw error;
}
