import { RedisStore } from 'connect-redis';
import type { SessionData } from 'express-session';
import { BffError } from '../errors.ts';
import type { TokenSet } from '../oauth/tokens.ts';
import type { Clock } from './clock.ts';
import type { KeyValueStore } from './key-value-store.ts';
import { RefreshLock } from './refresh-lock.ts';
import type { SealedRecord, SealedRecords } from './sealed-records.ts';
import { idleTimeLeft, isSession, type Session, type SessionLimits } from './session.ts';

// Inside the declaration below, `Session` would be express-session's own.
type SignedInSession = Session;

declare module 'express-session' {
  interface SessionData {
    /** Present in every stored session: one is only created by a sign-in. */
    signedIn?: SignedInSession;
  }
}

/** A session as it was read. */
export interface StoredSession {
  readonly session: Session;
  readonly data: SessionData;
  readonly record: SealedRecord;
}

/**
 * connect-redis' store, which speaks express-session's language, over sealed records that are only ever created by a
 * sign-in and never brought back: `set` refuses to write what exists, so a late save cannot undo a logout or a refresh.
 * Idle time is the record's time to live; `touch` is ours to call, not express-session's at the end of every request.
 */
export class SessionStore extends RedisStore {
  constructor(
    private readonly records: SealedRecords,
    private readonly locks: KeyValueStore,
    private readonly limits: SessionLimits,
    private readonly clock: Clock,
  ) {
    super({
      client: asRedisClient(records),
      prefix: '',
      disableTouch: true,
      ttl: (data: SessionData) => secondsLeft(data, limits, clock()),
      serializer: { stringify: JSON.stringify, parse: (text) => this.#living(text) },
    });
  }

  /** The session a cookie names, or `undefined` if there is none or its time is over. */
  async read(secret: string): Promise<Session | undefined> {
    return (await this.readStored(secret))?.session;
  }

  /** The same, with what a later write must still find in its place. */
  async readStored(secret: string): Promise<StoredSession | undefined> {
    const record = await this.records.read(secret);
    if (!record) return undefined;
    const data = this.#living(record.text) as SessionData | null;
    return data?.signedIn && { session: data.signedIn, data, record };
  }

  /** The right to refresh a session's tokens. Absent: somebody else has it. */
  async lockRefresh(secret: string): Promise<RefreshLock | undefined> {
    return RefreshLock.acquire(this.locks, this.records.lockKey(secret));
  }

  /**
   * The session with new tokens. Absent: nothing was written, because it was ended or changed since it was read, or the
   * lock was lost.
   */
  async replaceTokens(
    secret: string,
    { session, data, record }: StoredSession,
    tokens: TokenSet,
    lock: RefreshLock,
  ): Promise<Session | undefined> {
    const signedIn = { ...session, tokens };
    const text = JSON.stringify({ ...data, signedIn });
    return (await this.records.replace(secret, record, text, lock)) ? signedIn : undefined;
  }

  /** Begins a new idle period and says when it ends, in epoch milliseconds. Absent: the session is gone. */
  async slide(secret: string, session: Session): Promise<number | undefined> {
    const now = this.clock();
    const left = idleTimeLeft(session, this.limits, now);
    return (await this.records.touch(secret, left)) ? now + left : undefined;
  }

  /** When the session ends if it stays unused, in epoch milliseconds. Absent: the session is gone. */
  async idleExpiry(secret: string): Promise<number | undefined> {
    const left = await this.records.timeToLive(secret);
    return left === undefined ? undefined : this.clock() + left;
  }

  /** Ends a session. Ending one that has ended already is no error. */
  async end(secret: string): Promise<void> {
    await this.records.remove(secret);
  }

  /** The record, if its time is not over and this release could have written it. */
  #living(text: string): SessionData {
    const data = JSON.parse(text) as Partial<SessionData> | null;
    const isLiving =
      data?.cookie && isSession(data.signedIn) && data.signedIn.expiresAt > this.clock();
    // express-session takes null for "no such session", though connect-redis' types do not say so.
    return isLiving ? (data as SessionData) : (null as never);
  }
}

function secondsLeft(data: SessionData, limits: SessionLimits, now: number): number {
  return data.signedIn ? idleTimeLeft(data.signedIn, limits, now) / 1000 : 0;
}

/** The three commands connect-redis sends, answered by sealed records. */
function asRedisClient(records: SealedRecords) {
  const client = {
    get: async (secret: string) => (await records.read(secret))?.text ?? null,
    set: async (secret: string, text: string, options: { expiration: { value: number } }) => {
      const isNew = await records.create(secret, text, options.expiration.value * 1000);
      if (!isNew) throw new BffError('internal_error', { cause: new Error('session exists') });
    },
    del: async ([secret]: [string]) => records.remove(secret),
  };
  return client as never;
}
