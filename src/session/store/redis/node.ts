import { ErrorReply } from 'redis';
import { startDeadline } from '../../../http/deadline.ts';
import type { KeyWatcher } from '../key-value-store.ts';
import { type RedisClient, timeLimit, timeoutError } from './servers.ts';

/** The longest delay between two connection attempts, in milliseconds. */
const maxReconnectDelay = 1000;

/**
 * Error codes after which it connects again: the server is no longer a master, or no longer accepts
 * our credentials.
 */
const reconnectCodes = new Set(['READONLY', 'MASTERDOWN', 'NOAUTH', 'WRONGPASS']);

/** Called for each connection attempt, failed or successful, and for a lost connection. */
export type NodeListener = (event: 'connected' | 'lost', cause?: Error) => void;

/** A connection to one master. It connects and reconnects by itself, and never queues a command. */
export class RedisNode {
  #client: RedisClient | undefined;
  /** The first attempt after a loss. Commands wait for it instead of failing at once. */
  #firstAttempt: Promise<void> | undefined;
  #cause: Error | undefined;
  #failures = 0;
  #connectedAt = 0;
  #respondedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `open` locates the server anew and connects to it: its address may have changed. */
  constructor(
    private readonly open: () => Promise<RedisClient>,
    private readonly watcher: KeyWatcher,
    private readonly onConnection: NodeListener,
  ) {
    this.#firstAttempt = this.#connect();
  }

  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  /** The reason why it is not connected. */
  get cause(): Error | undefined {
    return this.#cause;
  }

  /** Sends a command. Throws the client's error, or the reason why there is no connection. */
  async run<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    await this.#firstAttempt;
    const client = this.#client;
    if (!client) throw this.#cause ?? new Error('There is no connection to Redis');
    const sentAt = performance.now();
    const cancelDeadline = startDeadline(timeLimit, () => this.#dropIfSilent(client, sentAt));
    try {
      const reply = await command(client);
      this.#respondedAt = performance.now();
      return reply;
    } catch (error) {
      if (error instanceof ErrorReply) {
        this.#respondedAt = performance.now();
        if (reconnectCodes.has(errorCode(error))) this.#lose(client, error);
      } else if (!client.isReady) this.#lose(client, error as Error);
      throw error;
    } finally {
      cancelDeadline();
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#client?.destroy();
    this.#client = undefined;
    this.#cause = new Error('The connection to Redis is closed');
  }

  async #connect(): Promise<void> {
    try {
      const client = await this.open();
      if (this.#isClosed) return client.destroy();
      client.on('error', (error: Error) => this.#lose(client, error));
      client.on('invalidate', (key: unknown) => this.#notifyChange(key));
      this.#client = client;
      this.#cause = undefined;
      this.#connectedAt = performance.now();
      this.onConnection('connected');
    } catch (error) {
      this.#connectAgain(error as Error);
    } finally {
      this.#firstAttempt = undefined;
    }
  }

  /**
   * Drops a connection that returned nothing since the command: the peer may be gone without
   * closing it.
   */
  #dropIfSilent(client: RedisClient, sentAt: number): void {
    if (this.#respondedAt < sentAt) this.#lose(client, timeoutError(timeLimit));
  }

  #lose(client: RedisClient, cause: Error): void {
    if (this.#isClosed || client !== this.#client) return;
    this.#client = undefined;
    client.destroy();
    this.watcher.missedChanges();
    // Delay the next attempt if the server closes new connections at once.
    if (performance.now() - this.#connectedAt < maxReconnectDelay) return this.#connectAgain(cause);
    this.#cause = cause;
    this.#failures = 0;
    this.onConnection('lost', cause);
    this.#firstAttempt = this.#connect();
  }

  /** A `null` key means that the server was flushed. */
  #notifyChange(key: unknown): void {
    if (key === null) this.watcher.missedChanges();
    else this.watcher.changed(String(key));
  }

  #connectAgain(cause: Error): void {
    if (this.#isClosed) return;
    this.#cause = cause;
    this.onConnection('lost', cause);
    const delay = Math.min(50 * 2 ** this.#failures, maxReconnectDelay);
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#connect(), delay);
  }
}

/** Returns the first word of a Redis error, which is its stable part. */
export function errorCode(error: ErrorReply): string {
  return error.message.split(' ', 1)[0] ?? '';
}
