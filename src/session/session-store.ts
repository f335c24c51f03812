import { RedisStore } from 'connect-redis';
import type { SessionData } from 'express-session';
import { BffError } from '../errors.ts';
import type { SealedRecords } from './sealed-records.ts';
import { idleTimeLeft, type Session, type SessionLimits } from './session.ts';

// Inside the declaration below, `Session` would be express-session's own.
type SignedInSession = Session;

declare module 'express-session' {
  interface SessionData {
    /** Present in every stored session: one is only created by a sign-in. */
    signedIn?: SignedInSession;
  }
}

/**
 * connect-redis' store, which speaks express-session's language, over sealed records that are only ever created by a
 * sign-in and never brought back: `set` refuses to write what exists, so a late save cannot undo a logout or a refresh.
 * Idle time is the record's time to live; `touch` is ours to call, not express-session's at the end of every request.
 */
export class SessionStore extends RedisStore {
  constructor(
    private readonly records: SealedRecords,
    private readonly limits: SessionLimits,
    private readonly now: () => number,
  ) {
    super({
      client: asRedisClient(records),
      prefix: '',
      disableTouch: true,
      ttl: (data: SessionData) => secondsLeft(data, limits, now()),
      serializer: { stringify: JSON.stringify, parse: (text) => this.#living(text) },
    });
  }

  /** The session a cookie names, or `undefined` if there is none or its time is over. */
  async read(secret: string): Promise<Session | undefined> {
    const data = (await this.get(secret)) as SessionData | null | undefined;
    return data?.signedIn;
  }

  /** Begins a new idle period and says when it ends, in epoch milliseconds. Absent: the session is gone. */
  async slide(secret: string, session: Session): Promise<number | undefined> {
    const now = this.now();
    const left = idleTimeLeft(session, this.limits, now);
    return (await this.records.touch(secret, left)) ? now + left : undefined;
  }

  /** When the session ends if it stays unused, in epoch milliseconds. Absent: the session is gone. */
  async idleExpiry(secret: string): Promise<number | undefined> {
    const left = await this.records.timeToLive(secret);
    return left === undefined ? undefined : this.now() + left;
  }

  /** Ends a session. Ending one that has ended already is no error. */
  async end(secret: string): Promise<void> {
    await this.records.remove(secret);
  }

  #living(text: string): SessionData {
    const data = JSON.parse(text) as SessionData;
    const isOver = !data.signedIn || data.signedIn.expiresAt <= this.now();
    // express-session takes null for "no such session", though connect-redis' types do not say so.
    return isOver ? (null as never) : data;
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
