import { createClient } from 'redis';
import type { RedisOptions } from '../config/options.ts';
import { BffError } from '../errors.ts';
import type { Fence, KeyValueStore } from './key-value-store.ts';

/** Milliseconds. Redis answers in well under one; a Redis that has not after this long counts as down. */
const commandTimeout = 1500;
/** Milliseconds. */
const connectTimeout = 1500;
/** Milliseconds. */
const longestPauseBeforeReconnecting = 1000;

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

/** Told when the connection is lost and when it comes back, for the log; not of every attempt in between. */
export type ConnectionListener = (event: 'connected' | 'lost', cause?: Error) => void;

type Client = ReturnType<typeof connect>;

interface Connection {
  readonly client: Client;
  /** Settles when the connection is there or has failed: who comes before that waits, instead of being refused. */
  readonly firstAttempt: Promise<void>;
}

/** The real store. It connects by itself, reconnects by itself, and never queues a command. */
export class RedisKeyValueStore implements KeyValueStore {
  #connection: Connection;
  #state: 'unknown' | 'connected' | 'lost' = 'unknown';
  #answeredAt = 0;
  #isClosed = false;

  constructor(
    private readonly options: RedisOptions,
    private readonly onConnection: ConnectionListener = () => {},
  ) {
    this.#connection = this.#open();
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

  async replace(key: string, expected: string, value: string, fence?: Fence): Promise<boolean> {
    const fenced = fence ? [fence.key] : [];
    const values = [expected, value, ...(fence ? [fence.value] : [])];
    return this.#run(replaceScript, [key, ...fenced], values);
  }

  async take(key: string): Promise<string | undefined> {
    return (await this.#ask((client) => client.getDel(key))) ?? undefined;
  }

  async touch(key: string, ttlMilliseconds: number): Promise<boolean> {
    const ttl = wholeMilliseconds(ttlMilliseconds);
    return (await this.#ask((client) => client.pExpire(key, ttl))) === 1;
  }

  async extend(key: string, expected: string, ttlMilliseconds: number): Promise<boolean> {
    return this.#run(extendScript, [key], [expected, String(wholeMilliseconds(ttlMilliseconds))]);
  }

  async timeToLive(key: string): Promise<number | undefined> {
    const milliseconds = await this.#ask((client) => client.pTTL(key));
    return milliseconds >= 0 ? milliseconds : undefined;
  }

  async remove(key: string): Promise<boolean> {
    return (await this.#ask((client) => client.del(key))) > 0;
  }

  async removeIf(key: string, expected: string): Promise<boolean> {
    return this.#run(removeIfScript, [key], [expected]);
  }

  async ping(): Promise<void> {
    await this.#ask((client) => client.ping());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#connection.client.destroy();
  }

  async #run(script: string, keys: string[], values: string[]): Promise<boolean> {
    return (await this.#ask((client) => client.eval(script, { keys, arguments: values }))) === 1;
  }

  async #ask<T>(command: (client: Client) => Promise<T>): Promise<T> {
    const { client, firstAttempt } = this.#connection;
    const askedAt = performance.now();
    let timer: NodeJS.Timeout | undefined;
    // A command already sent to a Redis that hangs cannot be taken back; the request that waits for it can go on.
    const late = new Promise<never>((_, reject) => {
      const tooLate = () => {
        const error = new Error(`Redis did not answer within ${commandTimeout} ms`);
        if (this.#answeredAt < askedAt) this.#giveUp(client, error);
        reject(error);
      };
      timer = setTimeout(tooLate, commandTimeout);
    });
    try {
      const answer = await Promise.race([firstAttempt.then(() => command(client)), late]);
      this.#answeredAt = performance.now();
      return answer;
    } catch (cause) {
      throw new BffError('session_store_unavailable', { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  #open(): Connection {
    const client = connect(this.options);
    const firstAttempt = new Promise<void>((attempted) => {
      client.on('ready', () => {
        // A client that was destroyed while it connected goes on connecting, and would keep the process alive.
        if (this.#isClosed || client !== this.#connection.client) return client.destroy();
        attempted(this.#tell('connected'));
      });
      client.on('error', (error: Error) => {
        attempted();
        if (client === this.#connection.client) this.#tell('lost', error);
      });
    });
    // A first attempt that fails is repeated by the strategy above; the listener has heard of it.
    void client.connect().catch(() => {});
    return { client, firstAttempt };
  }

  /** Nothing at all came back: the machine at the other end may be gone, which no packet will ever tell us. */
  #giveUp(client: Client, cause: Error): void {
    if (this.#isClosed || client !== this.#connection.client) return;
    this.#tell('lost', cause);
    client.destroy();
    this.#connection = this.#open();
  }

  #tell(state: 'connected' | 'lost', cause?: Error): void {
    if (this.#state === state) return;
    this.#state = state;
    this.onConnection(state, cause);
  }
}

function wholeMilliseconds(value: number): number {
  return Math.max(1, Math.ceil(value));
}
