import type { RedisOptions } from '../../../config/options.ts';
import { BffError } from '../../../errors.ts';
import type { KeyWatcher } from '../key-value-store.ts';
import { RedisCluster } from './cluster.ts';
import { RedisNode } from './node.ts';
import { openSentinelMaster } from './sentinel.ts';
import {
  withTimeout,
  openMaster,
  type RedisClient,
  standaloneServer,
  timeLimit,
} from './servers.ts';
import type { RedisCommands } from './commands.ts';

/** The interval between two heartbeats, in milliseconds. */
const heartbeatInterval = 1000;

/** Runs atomically, so other clients never see the key. */
const writeAndRemove = `
redis.call('SET', KEYS[1], '1')
return redis.call('DEL', KEYS[1])`;

/** Called when the connection is lost and when it is restored, but not for attempts in between. */
export type ConnectionListener = (event: 'connected' | 'lost', cause?: Error) => void;

/**
 * A connection to Redis: one server, a master behind Sentinels, or a cluster. It reconnects and
 * never queues a command.
 */
export class RedisConnection {
  readonly #servers: RedisNode | RedisCluster;
  readonly #watchers: KeyWatcher[] = [];
  readonly #heartbeat: NodeJS.Timeout;
  #state: 'unknown' | 'connected' | 'lost' = 'unknown';

  constructor(
    private readonly options: RedisOptions,
    watchedPrefix: string,
    private readonly onConnection: ConnectionListener,
  ) {
    const watcher: KeyWatcher = {
      changed: (key) => this.#watchers.forEach((each) => each.changed(key)),
      missedChanges: () => this.#watchers.forEach((each) => each.missedChanges()),
    };
    const watch = { prefix: watchedPrefix, watcher };
    const report: ConnectionListener = (state, cause) => this.#report(state, cause);
    this.#servers = options.cluster
      ? new RedisCluster(options, watch, report)
      : new RedisNode(() => openServer(options, watchedPrefix), watcher, report);
    // A silently broken connection delivers no invalidation events. The heartbeat detects it even
    // if no request uses Redis.
    const beat = () => this.ping().catch(watcher.missedChanges);
    this.#heartbeat = setInterval(() => void beat(), heartbeatInterval).unref();
  }

  watch(watcher: KeyWatcher): void {
    this.#watchers.push(watcher);
  }

  /**
   * Sends a command. Throws `session_store_unavailable` if it fails or takes more than 1.5 seconds.
   */
  run<T>(command: (client: RedisCommands) => Promise<T>): Promise<T> {
    return this.#withTimeout(this.#servers.run(command));
  }

  /**
   * Checks that sessions can be stored: writes and removes a key on every master. A full Redis
   * still responds to `PING`. Throws `session_store_unavailable`.
   */
  async ping(): Promise<void> {
    const key = `${this.options.keyPrefix}probe`;
    const replies: Promise<unknown> =
      this.#servers instanceof RedisCluster
        ? this.#servers.runOnEveryMaster(key, tryWriting)
        : this.#servers.run((client) => tryWriting(client, key));
    await this.#withTimeout(replies);
  }

  close(): void {
    clearInterval(this.#heartbeat);
    this.#servers.close();
  }

  async #withTimeout<T>(reply: Promise<T>): Promise<T> {
    try {
      return await withTimeout(reply, timeLimit);
    } catch (cause) {
      throw new BffError('session_store_unavailable', { cause });
    }
  }

  #report(state: 'connected' | 'lost', cause?: Error): void {
    if (this.#state === state) return;
    this.#state = state;
    this.onConnection(state, cause);
  }
}

function openServer(options: RedisOptions, watchedPrefix: string): Promise<RedisClient> {
  return options.sentinel
    ? openSentinelMaster(options, watchedPrefix)
    : openMaster(standaloneServer(options), watchedPrefix);
}

function tryWriting(client: RedisClient, key: string): Promise<unknown> {
  return client.eval(writeAndRemove, { keys: [key] });
}
