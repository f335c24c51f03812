import { freePort } from '../network/ports.ts';
import { type RedisServer, startRedis } from './server.ts';
import { waitFor } from '../time/wait-for.ts';

/** A Redis Cluster of three masters on the loopback interface. */
export interface RedisClusterServers {
  /** All servers, as `host:port`. */
  readonly nodes: readonly string[];
  readonly masters: readonly RedisServer[];
  /** One of each master, in their order, if the cluster has replicas. */
  readonly replicas: readonly RedisServer[];
  stop(): Promise<void>;
}

/** What they are started with. */
export interface RedisClusterOptions {
  readonly args?: readonly string[];
  readonly tls?: 'server' | undefined;
  readonly withReplicas?: boolean;
}

const slotCount = 16_384;

/**
 * Starts the servers, divides the slots between them, and waits until every one says that the
 * cluster is whole.
 */
export async function startCluster(
  options: RedisClusterOptions = {},
): Promise<RedisClusterServers> {
  const { withReplicas = false, tls } = options;
  const all = await Promise.all(
    Array.from({ length: withReplicas ? 6 : 3 }, () => startNode(options)),
  );
  const [masters, replicas] = [all.slice(0, 3), all.slice(3)];
  const portOf = ({ server }: Node) => (tls ? server.tlsPort : server.port);
  for (const [index, { server }] of masters.entries()) {
    const [from, to] = [index, index + 1].map((n) => Math.floor((n * slotCount) / 3));
    await server.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String((to ?? 0) - 1));
    await server.command('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
  }
  const [first] = masters;
  for (const node of all.slice(1))
    await first?.server.command(
      ...`CLUSTER MEET 127.0.0.1 ${portOf(node)} ${node.busPort}`.split(' '),
    );
  const servers = all.map(({ server }) => server);
  const longTimeout = { timeout: 15_000, interval: 50 };
  await waitFor(() => everyInfo(servers, `cluster_known_nodes:${all.length}`), longTimeout);
  for (const [index, { server }] of replicas.entries()) {
    const id = String(await masters[index]?.server.command('CLUSTER', 'MYID'));
    await waitFor(
      async () => (await server.command('CLUSTER', 'REPLICATE', id)) === 'OK',
      longTimeout,
    );
  }
  await waitFor(() => everyInfo(servers, 'cluster_state:ok'), longTimeout);
  for (const { server } of replicas)
    await waitFor(
      async () => /link_status:up/.test(String(await server.command('INFO'))),
      longTimeout,
    );
  return {
    nodes: all.map((node) => `127.0.0.1:${portOf(node)}`),
    masters: masters.map(({ server }) => server),
    replicas: replicas.map(({ server }) => server),
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  };
}

interface Node {
  readonly server: RedisServer;
  readonly busPort: number;
}

async function startNode({ args = [], tls }: RedisClusterOptions): Promise<Node> {
  const busPort = await freePort();
  const server = await startRedis({
    args: [
      ...`--cluster-enabled yes --cluster-port ${busPort} --cluster-node-timeout 1000`.split(' '),
      ...'--cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0'.split(' '),
      ...(tls ? ['--tls-cluster', 'yes', '--tls-replication', 'yes'] : []),
      ...args,
    ],
    tls,
  });
  return { server, busPort };
}

async function everyInfo(servers: readonly RedisServer[], line: string): Promise<boolean> {
  const infos = await Promise.all(servers.map((server) => server.command('CLUSTER', 'INFO')));
  return infos.every((info) => String(info).includes(line));
}
