import { createClient } from 'redis';
import type { RedisOptions } from '../config/options.ts';
import { BffError } from '../errors.ts';
import type { KeyValueStore } from './key-value-store.ts';

/** Redis answers in well under a millisecond; one that has not after this long counts as down. */
const commandTimeout = 1500;
const connectTimeout = 1500;
const longestPauseBeforeReconnecting = 1000;

/** `SET` only while the value is the one that was read (contract §6); the time to live stays. */
const replaceScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1`;

function connect({ url }: RedisOptions) {
  return createClient({
    url,
    // A command that waits for a connection would hang the request that sent it; we answer 503 instead.
    disableOfflineQueue: true,
    socket: {
      connectTimeout,
      reconnectStrategy: (retries) =>
        Math.min(50 * 2 ** Math.min(retries, 10), longestPauseBeforeReconnecting),
    },
  });
}

/** Told of every connection that is lost or comes back, for the log. */
export type ConnectionListener = (event: 'connected' | 'lost', cause?: Error) => void;

/** The real store. It connects by itself, reconnects by itself, and never queues a command. */
export class RedisKeyValueStore implements KeyValueStore {
  readonly #client: ReturnType<typeof connect>;

  constructor(options: RedisOptions, onConnection: ConnectionListener = () => {}) {
    this.#client = connect(options);
    this.#client.on('ready', () => onConnection('connected'));
    this.#client.on('error', (error: Error) => onConnection('lost', error));
    // A first attempt that fails is repeated by the strategy above; the listener has heard of it.
    void this.#client.connect().catch(() => {});
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#ask((client) => client.get(key))) ?? undefined;
  }

  async create(key: string, value: string, ttlMilliseconds: number): Promise<boolean> {
    const expiration = { type: 'PX', value: wholeMilliseconds(ttlMilliseconds) } as const;
    const answer = await this.#ask((client) =>
      client.set(key, value, { condition: 'NX', expiration }),
    );
    return answer !== null;
  }

  async replace(key: string, expected: string, value: string): Promise<boolean> {
    const answer = await this.#ask((client) =>
      client.eval(replaceScript, { keys: [key], arguments: [expected, value] }),
    );
    return answer === 1;
  }

  async take(key: string): Promise<string | undefined> {
    return (await this.#ask((client) => client.getDel(key))) ?? undefined;
  }

  async touch(key: string, ttlMilliseconds: number): Promise<boolean> {
    const ttl = wholeMilliseconds(ttlMilliseconds);
    return (await this.#ask((client) => client.pExpire(key, ttl))) === 1;
  }

  async timeToLive(key: string): Promise<number | undefined> {
    const milliseconds = await this.#ask((client) => client.pTTL(key));
    return milliseconds >= 0 ? milliseconds : undefined;
  }

  async remove(key: string): Promise<boolean> {
    return (await this.#ask((client) => client.del(key))) > 0;
  }

  async ping(): Promise<void> {
    await this.#ask((client) => client.ping());
  }

  async close(): Promise<void> {
    if (this.#client.isOpen) this.#client.destroy();
  }

  async #ask<T>(command: (client: ReturnType<typeof connect>) => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    // A command already sent to a Redis that hangs cannot be taken back; the request that waits for it can go on.
    const late = new Promise<never>((_, reject) => {
      const tooLate = () => reject(new Error(`Redis did not answer within ${commandTimeout} ms`));
      timer = setTimeout(tooLate, commandTimeout);
    });
    try {
      return await Promise.race([command(this.#client), late]);
    } catch (cause) {
      throw new BffError('session_store_unavailable', { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

function wholeMilliseconds(value: number): number {
  return Math.max(1, Math.ceil(value));
}
