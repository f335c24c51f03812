import type { RedisStore } from 'connect-redis';
import type { SessionData } from 'express-session';
import { BffError } from '../../errors.ts';
import { recordNameOf, type SealedRecords } from '../store/sealed-records.ts';

/** The commands that connect-redis 10 sends for `get`, `set` and `destroy`. */
export type ConnectRedisClient = Pick<RedisStore['client'], 'get' | 'set' | 'del'>;

/** Reads a session by its id. `undefined` if it does not exist or has expired. */
export type SessionDataReader = (id: string) => Promise<SessionData | undefined>;

/**
 * Runs the commands of connect-redis over sealed records. The keys are secrets of session cookies.
 * `set` needs an expiration in seconds and throws for a key that exists, because connect-redis
 * ignores the reply. There is no `expire` and no `scan`: `RedisStore.touch` is disabled, and its
 * methods that list sessions fail.
 */
export function connectRedisClient(
  records: SealedRecords,
  readData: SessionDataReader,
): ConnectRedisClient {
  return {
    get: async (key) => {
      const data = await readData(recordNameOf(String(key)));
      return data ? JSON.stringify(data) : null;
    },
    set: async (key, text, { expiration } = {}) => {
      if (typeof expiration !== 'object' || expiration.type !== 'EX')
        throw new TypeError('a session must be stored with an expiration in seconds');
      const ttlMilliseconds = expiration.value * 1000;
      const isNew = await records.create(recordNameOf(String(key)), String(text), ttlMilliseconds);
      if (!isNew) throw new BffError('internal_error', { cause: new Error('session exists') });
      return 'OK';
    },
    del: async (keys) => {
      const names = [keys].flat().map((key) => recordNameOf(String(key)));
      const removals = await Promise.all(names.map((name) => records.remove(name)));
      return removals.filter(Boolean).length;
    },
  };
}
