import { randomUUID } from 'node:crypto';
import type { RedisOptions } from '../../../config/options.ts';
import { isError } from '../../../errors.ts';
import { ownersFromSeeds } from './cluster.ts';
import { masterAddresses, sentinelServer } from './sentinel.ts';
import {
  addressOf,
  dataServer,
  openClient,
  openMaster,
  type RedisClient,
  type Server,
  formatAddress,
  standaloneServer,
} from './servers.ts';
import { keysForOwners, slotCount } from './slots.ts';

/** What the `check` command reports about a reachable Redis. */
export interface RedisDiagnosis {
  /** Product and version, for example `Redis 7.0.15`. With several servers, also their number. */
  readonly product: string;
  /** Whether all required commands are supported: Redis 7 or later, or any Valkey. */
  readonly isRecentEnough: boolean;
  /** The eviction policy. Any other than `noeviction` may end sessions early. */
  readonly maxmemoryPolicy: string | undefined;
}

/** Milliseconds. Longer than the timeout of `check`, which reports its own error. */
const timeout = 6000;

/**
 * Connects to every master and tests what each sign-in needs: writing, running a script and taking
 * a key. Uses separate connections. Throws the Redis client's error, or an error that names the
 * option to change.
 */
export async function diagnoseRedis(options: RedisOptions): Promise<RedisDiagnosis> {
  if (options.sentinel) return diagnoseSentinel(options);
  if (options.cluster) return diagnoseCluster(options);
  return diagnose(standaloneServer(options), 'redis.url', probeKey(options));
}

async function diagnoseSentinel(options: RedisOptions): Promise<RedisDiagnosis> {
  const { nodes = [], master = '' } = options.sentinel ?? {};
  await requireConnection(
    nodes.map((node) => sentinelServer(options, addressOf(node))),
    'redis.sentinel',
  );
  const [address] = await masterAddresses(options, timeout);
  if (!address) throw new Error(`the Sentinels know no master named ${master}`);
  const found = await diagnose(dataServer(options, address), 'redis', probeKey(options));
  return { ...found, product: `${found.product} at ${formatAddress(address)}, master ${master},` };
}

async function diagnoseCluster(options: RedisOptions): Promise<RedisDiagnosis> {
  const serverAt = (node: string) => dataServer(options, addressOf(node));
  const seeds = (options.cluster?.nodes ?? []).map(serverAt);
  await requireConnection(seeds, 'redis');
  const owners = await ownersFromSeeds(options, timeout).catch((error: unknown) => {
    throw seeds[0] ? explain(error, seeds[0], 'redis') : error;
  });
  const vacant = slotCount - owners.filter(Boolean).length;
  if (vacant > 0)
    throw new Error(
      `${vacant} of ${slotCount} slots of the cluster have no master; ` +
        'repair it with: redis-cli --cluster fix',
    );
  const found = await Promise.all(
    [...keysForOwners(probeKey(options), owners)].map(([node, key]) =>
      diagnose(serverAt(node), 'redis', key),
    ),
  );
  const policies = found.map(({ maxmemoryPolicy }) => maxmemoryPolicy);
  return {
    product: `${found[0]?.product}, a cluster of ${new Set(owners).size} masters,`,
    isRecentEnough: found.every(({ isRecentEnough }) => isRecentEnough),
    maxmemoryPolicy: policies.find((policy) => policy !== 'noeviction') ?? policies[0],
  };
}

function probeKey({ keyPrefix }: RedisOptions): string {
  return `${keyPrefix}check:${randomUUID()}`;
}

/** Throws the error of the first server if no server accepts a connection. */
async function requireConnection(servers: readonly Server[], block: string): Promise<void> {
  const clients = await Promise.allSettled(servers.map((server) => openClient(server, timeout)));
  for (const client of clients) if (client.status === 'fulfilled') client.value.destroy();
  const [first] = clients;
  const [server] = servers;
  if (
    server &&
    first?.status === 'rejected' &&
    clients.every(({ status }) => status !== 'fulfilled')
  )
    throw explain(first.reason, server, block);
}

async function diagnose(server: Server, block: string, key: string): Promise<RedisDiagnosis> {
  let client: RedisClient | undefined;
  try {
    client = await openMaster(server, key, timeout);
    if (block === 'redis.url') await refuseShard(client, server);
    const write = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', 1000)";
    await client.eval(write, { keys: [key], arguments: ['check'] });
    await client.getDel(key);
    return readInfo(await client.info());
  } catch (error) {
    throw explain(error, server, block);
  } finally {
    client?.destroy();
  }
}

/** Refuses a node of a larger cluster: most keys belong to other nodes. */
async function refuseShard(client: RedisClient, { address }: Server): Promise<void> {
  const { mode } = await client.hello();
  if (mode !== 'cluster' || (await client.clusterSlots()).length < 2) return;
  throw new Error(
    `${formatAddress(address)} is one node of a Redis Cluster; name it in redis.cluster.nodes`,
  );
}

/**
 * Returns an error that names the option to change, if the cause is known. Otherwise returns the
 * original error or adds the server's address to it. `block` is the block of options that describes
 * the server.
 */
function explain(error: unknown, server: Server, block: string): unknown {
  const reason = isError(error) ? error.message : String(error);
  const code = isError(error) ? String((error as NodeJS.ErrnoException).code ?? '') : '';
  const where = formatAddress(server.address);
  if (/SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)/.test(code))
    return new Error(
      `${where} has a certificate of an authority that is not known here; ` +
        'name its PEM file in redis.tls.ca',
    );
  if (/cluster support disabled/.test(reason))
    return new Error(`${where} is no node of a Redis Cluster; name it in redis.url`);
  if (!server.tls && /ECONNRESET|Socket closed/i.test(`${code} ${reason}`))
    return new Error(`${where} ends the connection; if it speaks TLS, add redis.tls: {}`);
  if (block === 'redis.url') return error;
  if (/^(NOAUTH|WRONGPASS)/.test(reason))
    return new Error(
      `${where} refuses user or password; correct ${block}.username and ${block}.password`,
    );
  return new Error(reason.includes(where) ? reason : `${where}: ${reason}`);
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
