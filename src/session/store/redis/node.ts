import { ErrorReply } from 'redis';
import type { KeyWatcher } from '../key-value-store.ts';
import { type RedisClient, timeLimit, tooLate } from './servers.ts';

/** Milliseconds. */
const longestPauseBeforeReconnecting = 1000;

/** Milliseconds at the end of a time limit in which the process must have listened. */
const lastStretch = 100;

/**
 * Answers after which another connection may do better: the server is no master any more, or does
 * not know us any more.
 */
const givesUpAfter = new Set(['READONLY', 'MASTERDOWN', 'NOAUTH', 'WRONGPASS']);

/** Told of every attempt that failed, and of the one that did not. */
export type NodeListener = (event: 'connected' | 'lost', cause?: Error) => void;

/**
 * One connection to a server that takes writes. It connects by itself, reconnects by itself, and
 * never queues a command.
 */
export class RedisNode {
  #client: RedisClient | undefined;
  /** The first attempt after a loss: who comes meanwhile waits for it, instead of being refused. */
  #firstAttempt: Promise<void> | undefined;
  #cause: Error | undefined;
  #failures = 0;
  #connectedAt = 0;
  #answeredAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `open` finds the server and connects to it; what it found last time may have moved. */
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

  /** Why it is not connected. */
  get cause(): Error | undefined {
    return this.#cause;
  }

  /** Sends a command. Throws what the client throws, or why there is no connection. */
  async ask<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    await this.#firstAttempt;
    const client = this.#client;
    if (!client) throw this.#cause ?? new Error('There is no connection to Redis');
    const askedAt = performance.now();
    const stopWaiting = giveUpAfter(timeLimit, () => this.#giveUpSilent(client, askedAt));
    try {
      const answer = await command(client);
      this.#answeredAt = performance.now();
      return answer;
    } catch (error) {
      if (error instanceof ErrorReply) {
        this.#answeredAt = performance.now();
        if (givesUpAfter.has(errorCode(error))) this.#lose(client, error);
      } else if (!client.isReady) this.#lose(client, error as Error);
      throw error;
    } finally {
      stopWaiting();
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
      client.on('invalidate', (key: unknown) => this.#tellChange(key));
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
   * Nothing at all came back: the machine at the other end may be gone, which no packet will ever
   * tell us.
   */
  #giveUpSilent(client: RedisClient, askedAt: number): void {
    if (this.#answeredAt < askedAt) this.#lose(client, tooLate(timeLimit));
  }

  #lose(client: RedisClient, cause: Error): void {
    if (this.#isClosed || client !== this.#client) return;
    this.#client = undefined;
    client.destroy();
    this.watcher.missedChanges();
    // A server that takes connections only to end them is not asked in a tight loop.
    if (performance.now() - this.#connectedAt < longestPauseBeforeReconnecting)
      return this.#connectAgain(cause);
    this.#cause = cause;
    this.#failures = 0;
    this.onConnection('lost', cause);
    this.#firstAttempt = this.#connect();
  }

  /** Without a key it is a server that was emptied. */
  #tellChange(key: unknown): void {
    if (key === null) this.watcher.missedChanges();
    else this.watcher.changed(String(key));
  }

  #connectAgain(cause: Error): void {
    if (this.#isClosed) return;
    this.#cause = cause;
    this.onConnection('lost', cause);
    const pause = Math.min(50 * 2 ** this.#failures, longestPauseBeforeReconnecting);
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#connect(), pause);
  }
}

/**
 * Calls back when there has been no answer for so many milliseconds, unless what it returns is
 * called before. A process that gets no processor, or is busy for a second, finds its timers due
 * before it has looked at its sockets, where the answer has waited all the time, and perhaps before
 * the command was even written. That is not held against Redis: the last stretch begins only when
 * the event loop turns again, and after it the sockets are looked at once more.
 */
export function giveUpAfter(milliseconds: number, giveUp: () => void): () => void {
  let lastLook: NodeJS.Immediate | undefined;
  let timer = setTimeout(() => {
    timer = setTimeout(() => {
      // Timers, sockets, immediates: that is the order of a turn.
      lastLook = setImmediate(giveUp);
    }, lastStretch);
  }, milliseconds - lastStretch);
  return () => {
    clearTimeout(timer);
    clearImmediate(lastLook);
  };
}

/** The first word of what Redis answers, which is the stable part of it. */
export function errorCode(error: ErrorReply): string {
  return error.message.split(' ', 1)[0] ?? '';
}
