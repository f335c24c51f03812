import { ErrorReply } from 'redis';
import type { RedisOptions } from '../config/options.ts';
import type { Fence, KeyValueStore, KeyWatcher, ListEntry, SeenAt } from './key-value-store.ts';
import { type ConnectionListener, RedisConnection } from './redis-connection.ts';

/** `SET` only while the value is the one that was read and the fence, if there is one, holds; the time to live stays. */
const replaceScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if KEYS[2] and redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1`;

const extendScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

const removeIfScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * What time it is there. `TIME` would say it too, but users with the rights that we have always
 * asked for may not send it. It is one server's time, in a cluster that of the key's master, so
 * that all replicas compare times of one clock.
 */
const timeScript = `
redis.call('SET', KEYS[1], '1', 'PX', 1000)
local ends = redis.call('PEXPIRETIME', KEYS[1])
redis.call('DEL', KEYS[1])
return ends - 1000`;

/** A list's key lives as long as its youngest member. */
const keepList = `
local function keep(ttl)
  if redis.call('PTTL', KEYS[1]) < tonumber(ttl) then redis.call('PEXPIRE', KEYS[1], ttl) end
end`;

const refuseClosed = `
local closed = redis.call('GET', KEYS[2])
if closed and tonumber(closed) >= tonumber(ARGV[2]) then return 0 end`;

const enlistScript = `${keepList}${refuseClosed}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[4])
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
keep(ARGV[5])
return 1`;

const isEnlistedScript = `${refuseClosed}
return redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0`;

const seenScript = `${keepList}
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[2], ARGV[1])
keep(ARGV[4])
return 1`;

/** The real store, in the few commands we need of it. */
export class RedisKeyValueStore implements KeyValueStore {
  readonly #connection: RedisConnection;
  readonly #clockKey: string;

  /** Tells its watchers of keys that begin with `watched`. */
  constructor(
    options: RedisOptions,
    watched = options.keyPrefix,
    onConnection: ConnectionListener = () => {},
  ) {
    this.#clockKey = `${options.keyPrefix}clock`;
    this.#connection = new RedisConnection(options, watched, onConnection);
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#connection.ask((client) => client.get(key))) ?? undefined;
  }

  async create(key: string, value: string, ttlMilliseconds: number): Promise<boolean> {
    const expiration = { type: 'PX', value: wholeMilliseconds(ttlMilliseconds) } as const;
    const answer = await this.#connection.ask((client) =>
      client.set(key, value, { condition: 'NX', expiration }),
    );
    return answer !== null;
  }

  async replace(key: string, expected: string, value: string, fence?: Fence): Promise<boolean> {
    const fenced = fence ? [fence.key] : [];
    const values = [expected, value, ...(fence ? [fence.value] : [])];
    return this.#run(replaceScript, [key, ...fenced], values);
  }

  async take(key: string): Promise<string | undefined> {
    return (await this.#connection.ask((client) => client.getDel(key))) ?? undefined;
  }

  async touch(key: string, ttlMilliseconds: number): Promise<boolean> {
    const ttl = wholeMilliseconds(ttlMilliseconds);
    return (await this.#connection.ask((client) => client.pExpire(key, ttl))) === 1;
  }

  async getAndTouch(key: string, ttlMilliseconds: number): Promise<string | undefined> {
    const expiration = { type: 'PX', value: wholeMilliseconds(ttlMilliseconds) } as const;
    try {
      return (await this.#connection.ask((client) => client.getEx(key, expiration))) ?? undefined;
    } catch (error) {
      if (!isRefusedWrite(error as Error)) throw error;
      return this.get(key);
    }
  }

  async extend(key: string, expected: string, ttlMilliseconds: number): Promise<boolean> {
    return this.#run(extendScript, [key], [expected, String(wholeMilliseconds(ttlMilliseconds))]);
  }

  async timeToLive(key: string): Promise<number | undefined> {
    const milliseconds = await this.#connection.ask((client) => client.pTTL(key));
    return milliseconds >= 0 ? milliseconds : undefined;
  }

  async remove(key: string): Promise<boolean> {
    return (await this.#connection.ask((client) => client.del(key))) > 0;
  }

  async removeIf(key: string, expected: string): Promise<boolean> {
    return this.#run(removeIfScript, [key], [expected]);
  }

  async time(): Promise<number> {
    const keys = [this.#clockKey];
    return Number(await this.#connection.ask((client) => client.eval(timeScript, { keys })));
  }

  async enlist(
    list: string,
    member: string,
    times: SeenAt & { readonly since: number },
  ): Promise<boolean> {
    const values = [member, String(times.since), ...argumentsOf(times)];
    return this.#run(enlistScript, [list, closedKey(list)], values);
  }

  async isEnlisted(list: string, member: string, since: number): Promise<boolean> {
    return this.#run(isEnlistedScript, [list, closedKey(list)], [member, String(since)]);
  }

  async seen(list: string, member: string, times: SeenAt): Promise<void> {
    await this.#run(seenScript, [list], [member, ...argumentsOf(times)]);
  }

  async strikeOff(list: string, member: string): Promise<void> {
    await this.#connection.ask((client) => client.zRem(list, member));
  }

  async enlisted(list: string, staleBefore: number): Promise<ListEntry[]> {
    const entries = await this.#connection.ask((client) =>
      client.zRangeByScoreWithScores(list, staleBefore, '+inf'),
    );
    return entries.map(({ value, score }) => ({ member: value, at: score }));
  }

  async closeList(list: string, at: number, ttl: number): Promise<void> {
    const expiration = { type: 'PX', value: wholeMilliseconds(ttl) } as const;
    await this.#connection.ask((client) => client.set(closedKey(list), String(at), { expiration }));
  }

  watch(watcher: KeyWatcher): void {
    this.#connection.watch(watcher);
  }

  async ping(): Promise<void> {
    await this.#connection.ping();
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  async #run(script: string, keys: string[], values: string[]): Promise<boolean> {
    return (
      (await this.#connection.ask((client) => client.eval(script, { keys, arguments: values }))) ===
      1
    );
  }
}

/** Redis takes no writes for now, for want of replicas or of a disk, and still knows what it has. */
function isRefusedWrite({ cause }: { readonly cause?: unknown }): boolean {
  return cause instanceof ErrorReply && /^(NOREPLICAS|MISCONF) /.test(cause.message);
}

function argumentsOf({ at, staleBefore, ttl }: SeenAt): string[] {
  return [at, staleBefore, wholeMilliseconds(ttl)].map(String);
}

/** The list's name is a hash tag, so both keys are in one slot. */
function closedKey(list: string): string {
  return `${list}:closed`;
}

function wholeMilliseconds(value: number): number {
  return Math.max(1, Math.ceil(value));
}
