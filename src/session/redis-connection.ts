import { createClient } from 'redis';
import type { RedisOptions } from '../config/options.ts';
import { BffError } from '../errors.ts';

/** Milliseconds. Redis answers in well under one; a Redis that has not after this long counts as down. */
const commandTimeout = 1500;
/** Milliseconds. */
const connectTimeout = 1500;
/** Milliseconds. */
const longestPauseBeforeReconnecting = 1000;

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

/** What commands are sent with. */
export type RedisCommands = ReturnType<typeof connect>;

interface Connection {
  readonly client: RedisCommands;
  /** Settles when the connection is there or has failed: who comes before that waits, instead of being refused. */
  readonly firstAttempt: Promise<void>;
}

/** One connection to Redis. It connects by itself, reconnects by itself, and never queues a command. */
export class RedisConnection {
  #connection: Connection;
  #state: 'unknown' | 'connected' | 'lost' = 'unknown';
  #answeredAt = 0;
  #isClosed = false;

  constructor(
    private readonly options: RedisOptions,
    private readonly onConnection: ConnectionListener,
  ) {
    this.#connection = this.#open();
  }

  /** Sends a command. Throws `session_store_unavailable` when there is no good answer within 1.5 seconds. */
  async ask<T>(command: (client: RedisCommands) => Promise<T>): Promise<T> {
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

  close(): void {
    this.#isClosed = true;
    this.#connection.client.destroy();
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
  #giveUp(client: RedisCommands, cause: Error): void {
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
