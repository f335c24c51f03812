import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../network/ports.ts';
import { findRedisServer } from '../setup/provision.ts';
import { end, launch, redisCommand, type RedisServer, startRedis, tlsArguments } from './server.ts';
import { runDirectory } from '../setup/run-directory.ts';
import { waitFor } from '../time/wait-for.ts';

/** A master with two replicas, and three Sentinels that watch them. */
export interface RedisSentinels {
  readonly master: string;
  /** The Sentinels, as `host:port`. */
  readonly nodes: readonly string[];
  readonly servers: readonly RedisServer[];
  /** The server that the Sentinels call the master now. */
  currentMaster(): Promise<RedisServer>;
  /** Sends a command to the first Sentinel. */
  command(...command: readonly string[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** Start options. A password that is given is required of clients. */
export interface RedisSentinelsOptions {
  readonly password?: string;
  readonly sentinelPassword?: string;
  readonly tls?: 'server' | undefined;
}

const master = 'main';

/** Starts six processes on free loopback ports, and waits until all of them know each other. */
export async function startSentinels(options: RedisSentinelsOptions = {}): Promise<RedisSentinels> {
  const { password, tls } = options;
  const secret = password ? ['--masterauth', password, '--requirepass', password] : [];
  const encrypted = tls ? ['--tls-replication', 'yes'] : [];
  const args = ['--repl-diskless-sync-delay', '0', ...secret, ...encrypted];
  const portOf = (server: RedisServer) => (tls ? server.tlsPort : server.port);

  const first = await startRedis({ args, tls });
  const following = ['--replicaof', `127.0.0.1 ${portOf(first)}`];
  const replicas = await Promise.all(
    [1, 2].map(() => startRedis({ args: [...args, ...following], tls })),
  );
  const servers = [first, ...replicas];
  const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(portOf(first), options)));
  const ports = sentinels.map(({ port }) => port);
  const send = (port: number, ...command: string[]) => {
    const login = options.sentinelPassword ? { password: options.sentinelPassword } : {};
    return redisCommand(port, command, login);
  };
  await waitFor(() => allKnown(ports, send), { timeout: 15_000, interval: 100 });
  return {
    master,
    nodes: sentinels.map((one) => `127.0.0.1:${tls ? one.tlsPort : one.port}`),
    servers,
    currentMaster: async () => {
      const address = await send(ports[0] ?? 0, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master);
      const [, port] = address as [string, string];
      const found = servers.find((server) => portOf(server) === Number(port));
      if (!found) throw new Error(`The Sentinels name port ${port}, which is not ours.`);
      return found;
    },
    command: (...command) => send(ports[0] ?? 0, ...command),
    stop: async () => {
      await Promise.all(sentinels.map(({ child }) => end(child)));
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

async function startSentinel(
  masterPort: number,
  { password, sentinelPassword, tls }: RedisSentinelsOptions,
) {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const directory = mkdtempSync(join(runDirectory(), 'sentinel-'));
  const encrypted = tls ? [...pairs(tlsArguments(tlsPort, tls)), 'tls-replication yes'] : [];
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    ...encrypted,
    `sentinel monitor ${master} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${master} 500`,
    `sentinel failover-timeout ${master} 3000`,
    `sentinel parallel-syncs ${master} 2`,
    ...(password ? [`sentinel auth-pass ${master} ${password}`] : []),
    ...(sentinelPassword
      ? [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]
      : []),
  ];
  const file = join(directory, 'sentinel.conf');
  writeFileSync(file, `${lines.join('\n')}\n`);
  const child = await launch(await findRedisServer(), [file, '--sentinel'], port);
  return { port, tlsPort, child };
}

/** `['--a', 'b']` as the line `a b`. */
function pairs(args: readonly string[]): string[] {
  return args.flatMap((arg, n) => (n % 2 ? [] : [`${arg.replace(/^--/, '')} ${args[n + 1]}`]));
}

async function allKnown(
  ports: readonly number[],
  send: (port: number, ...command: string[]) => Promise<unknown>,
): Promise<boolean> {
  const states = await Promise.all(ports.map((port) => send(port, 'SENTINEL', 'MASTER', master)));
  return states.every((state) => {
    const of = state as Record<string, string>;
    return (
      of['num-slaves'] === '2' && of['num-other-sentinels'] === '2' && of['flags'] === 'master'
    );
  });
}
