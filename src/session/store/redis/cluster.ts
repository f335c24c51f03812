import { ErrorReply } from 'redis';
import type { RedisOptions } from '../../../config/options.ts';
import type { KeyWatcher } from '../key-value-store.ts';
import { type RedisCommands, routed } from './commands.ts';
import { type NodeListener, RedisNode } from './node.ts';
import {
  addressOf,
  dataServer,
  withTimeout,
  openClient,
  openMaster,
  type RedisClient,
  formatAddress,
} from './servers.ts';
import { keysForOwners, slotCount, slotOf } from './slots.ts';

/** Delay before the topology of an incomplete cluster is read again, in milliseconds. */
const rereadDelay = 300;

/** The maximum number of redirections for one command. */
const maxRedirections = 5;

type Send<Reply> = (client: RedisClient) => Promise<Reply>;

/**
 * Connects to every master of a Redis Cluster and maps the slots to them. The library's cluster
 * client keeps a node that hangs, and does not replace a master that it never reached. This class
 * treats each node like a single Redis, and rereads the topology while anything is missing.
 */
export class RedisCluster {
  readonly #commands: RedisCommands = routed((key, send) => this.#send(key, send));
  readonly #nodes = new Map<string, RedisNode>();
  /** The address of the master of each slot. */
  #owners: (string | undefined)[] = [];
  #cause: Error | undefined;
  #firstRead: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isReading = false;
  #isClosed = false;

  constructor(
    private readonly options: RedisOptions,
    private readonly watch: { readonly prefix: string; readonly watcher: KeyWatcher },
    private readonly onConnection: NodeListener,
  ) {
    this.#firstRead = this.#readTopology();
  }

  async run<T>(command: (client: RedisCommands) => Promise<T>): Promise<T> {
    await this.#firstRead;
    return command(this.#commands);
  }

  /**
   * Runs a command on every master, with a key of that master that begins with `key`. Throws if one
   * of them fails.
   */
  async runOnEveryMaster(
    key: string,
    command: (client: RedisClient, key: string) => Promise<unknown>,
  ): Promise<void> {
    await this.#firstRead;
    const error = this.#missingMasterError();
    if (error) throw error;
    const keys = keysForOwners(key, this.#owners);
    const replies = [...new Set(this.#owners)].map((address = '') => {
      const own = keys.get(address);
      return own
        ? this.#send(own, (client) => command(client, own))
        : this.#nodeAt(address).run((client) => client.ping());
    });
    await Promise.all(replies);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const node of this.#nodes.values()) node.close();
  }

  async #send<Reply>(key: string, send: Send<Reply>): Promise<Reply> {
    let address = this.#owners[slotOf(key)];
    if (address === undefined)
      throw this.#missingMasterError() ?? new Error('No master has this slot');
    let attempt = send;
    for (let redirections = 0; ; redirections += 1) {
      try {
        return await this.#nodeAt(address).run(attempt);
      } catch (error) {
        if (!(error instanceof ErrorReply)) throw error;
        const [code, slot = '', target = ''] = error.message.split(' ');
        if (code === 'CLUSTERDOWN' || code === 'MOVED') this.#readTopologySoon();
        if ((code !== 'MOVED' && code !== 'ASK') || redirections === maxRedirections) throw error;
        // An empty host means the node that sent the redirection.
        address = target.startsWith(':') ? addressOf(address).host + target : target;
        if (code === 'MOVED') this.#owners[Number(slot)] = address;
        attempt = code === 'ASK' ? (client) => asking(client, send) : send;
      }
    }
  }

  #nodeAt(address: string): RedisNode {
    const existing = this.#nodes.get(address);
    if (existing) return existing;
    if (this.#isClosed) throw new Error('The connection to Redis is closed');
    const server = () => dataServer(this.options, addressOf(address));
    const node = new RedisNode(
      () => openMaster(server(), this.watch.prefix),
      this.watch.watcher,
      () => this.#reportState(),
    );
    this.#nodes.set(address, node);
    return node;
  }

  /** Reads the topology from any node that responds. */
  async #readTopology(): Promise<void> {
    this.#isReading = true;
    try {
      const owners = await this.#readOwners();
      if (this.#isClosed) return;
      this.#owners = owners;
      this.#cause = undefined;
      for (const [address, node] of this.#nodes)
        if (!owners.includes(address)) {
          this.#nodes.delete(address);
          node.close();
          // Its invalidation events end here. Those of the slots' new owners may not have begun.
          this.watch.watcher.missedChanges();
        }
      for (const address of new Set(owners)) if (address) this.#nodeAt(address);
    } catch (error) {
      this.#cause = error as Error;
    } finally {
      this.#isReading = false;
      this.#firstRead = undefined;
      this.#reportState();
    }
  }

  async #readOwners(): Promise<(string | undefined)[]> {
    const connected = [...this.#nodes].filter(([, { isConnected }]) => isConnected);
    const replies = connected.map(([address, node]) =>
      node.run(async (client) => ownersBy(await client.clusterSlots(), address)),
    );
    try {
      return await Promise.any(replies);
    } catch {
      // No connected node responded. Query the configured nodes.
      return ownersFromSeeds(this.options);
    }
  }

  /** Reports the state of the whole cluster. Rereads the topology while anything is missing. */
  #reportState(): void {
    if (this.#isClosed) return;
    const error = this.#incompleteError();
    if (error) this.#readTopologySoon();
    const isOpening = [...this.#nodes.values()].some(
      ({ isConnected, cause }) => !isConnected && !cause,
    );
    if (error && !isOpening) this.onConnection('lost', error);
    if (!error) this.onConnection('connected');
  }

  /** An error if slots have no known master, `undefined` if all have one. */
  #missingMasterError(): Error | undefined {
    if (this.#owners.length === 0)
      return this.#cause ?? new Error('The topology of the cluster is not known yet');
    const vacant = slotCount - this.#owners.filter(Boolean).length;
    return vacant > 0 ? new Error(`${vacant} of ${slotCount} slots have no master`) : undefined;
  }

  /** The reason why the cluster is incomplete. `undefined` if every slot has a connected master. */
  #incompleteError(): Error | undefined {
    const error = this.#missingMasterError();
    if (error) return error;
    for (const address of new Set(this.#owners)) {
      const node = this.#nodes.get(address ?? '');
      if (node?.isConnected) continue;
      const reason = node?.cause?.message ?? 'not connected yet';
      return new Error(`master ${address}: ${reason}`);
    }
    return undefined;
  }

  #readTopologySoon(): void {
    if (this.#isReading || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#readTopology(), rereadDelay);
  }
}

/**
 * Queries the configured nodes for the owner of each slot and uses the first response. `timeout` is
 * in milliseconds. Throws if no node responds.
 */
export async function ownersFromSeeds(
  options: RedisOptions,
  timeout?: number,
): Promise<(string | undefined)[]> {
  const nodes = options.cluster?.nodes ?? [];
  const replies = nodes.map((seed) => ownersFromSeed(options, seed, timeout));
  return Promise.any(replies).catch(({ errors }: AggregateError) => {
    const reasons = errors.map(({ message }: Error, index) => `${nodes[index]}: ${message}`);
    throw new Error(`no node of the cluster responds (${reasons.join('; ')})`);
  });
}

async function ownersFromSeed(options: RedisOptions, seed: string, timeout?: number) {
  const client = await openClient(dataServer(options, addressOf(seed)), timeout);
  try {
    return ownersBy(await withTimeout(client.clusterSlots(), 1000), seed);
  } finally {
    client.destroy();
  }
}

type Slots = Awaited<ReturnType<RedisClient['clusterSlots']>>;

/**
 * Returns the address of the master of each slot. A node that does not know its own host omits it;
 * then it is the host that we connected to.
 */
function ownersBy(ranges: Slots, seed: string): (string | undefined)[] {
  const owners: (string | undefined)[] = Array.from({ length: slotCount });
  for (const { from, to, master } of ranges) {
    const host = master.host || addressOf(seed).host;
    owners.fill(formatAddress({ host, port: master.port }), from, to + 1);
  }
  return owners;
}

/** `ASKING` applies only to the next command on the connection. */
async function asking<Reply>(client: RedisClient, send: Send<Reply>): Promise<Reply> {
  const permission = client.sendCommand(['ASKING']);
  const [reply] = await Promise.all([send(client), permission]);
  return reply;
}
