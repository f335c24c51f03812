import { randomUUID } from 'node:crypto';
import { createClient } from 'redis';
import type { RedisOptions } from '../config/options.ts';

/** What an operator should know of a Redis that answers. */
export interface RedisDiagnosis {
  /** `Redis 7.0.15`, for example. */
  readonly product: string;
  /** Whether it has the commands we use: Redis 7, or any Valkey. */
  readonly isRecentEnough: boolean;
  /** What it does when its memory is full; anything but `noeviction` ends sessions before their time. */
  readonly maxmemoryPolicy: string | undefined;
}

/** Milliseconds. */
const connectTimeout = 3000;

/**
 * Looks at a Redis over a connection of its own: who it is, and whether it lets us write, run a script and take a key, as
 * every sign-in does. Throws what the client throws.
 */
export async function diagnoseRedis({ url, keyPrefix }: RedisOptions): Promise<RedisDiagnosis> {
  const client = createClient({ url, socket: { connectTimeout, reconnectStrategy: false } });
  // `connect` throws the same error; without a listener it would end the process as well.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.ping();
    const key = `${keyPrefix}check:${randomUUID()}`;
    const write = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', 1000)";
    await client.eval(write, { keys: [key], arguments: ['check'] });
    await client.getDel(key);
    return readInfo(await client.info());
  } finally {
    client.destroy();
  }
}

function readInfo(info: string): RedisDiagnosis {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const valkey = field('valkey_version');
  const version = field('redis_version') ?? 'of an unknown version';
  return {
    product: valkey ? `Valkey ${valkey}` : `Redis ${version}`,
    isRecentEnough: valkey !== undefined || Number.parseInt(version, 10) >= 7,
    maxmemoryPolicy: field('maxmemory_policy'),
  };
}
