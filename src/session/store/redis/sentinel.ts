import type { RedisOptions } from '../../../config/options.ts';
import {
  type Address,
  addressOf,
  dataServer,
  withTimeout,
  openClient,
  openMaster,
  type RedisClient,
  type Server,
  formatAddress,
} from './servers.ts';

/** Timeout for one Sentinel, in milliseconds. */
const sentinelTimeout = 700;

/**
 * Connects to the master that the Sentinels report. Sentinels disagree during a failover, and an
 * isolated one reports an old master for long. So the most frequently reported address is tried
 * first, and each server must confirm that it is a master. The library's Sentinel client is not
 * used because it resends a command after a lost connection, although Redis may have executed it
 * already.
 */
export async function openSentinelMaster(
  options: RedisOptions,
  watchedPrefix: string,
): Promise<RedisClient> {
  let failure: unknown;
  for (const address of await masterAddresses(options)) {
    try {
      return await openMaster(dataServer(options, address), watchedPrefix);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/**
 * Returns the master addresses that the Sentinels report, the most frequent first. Throws if no
 * Sentinel responds or none knows the master.
 */
export async function masterAddresses(
  options: RedisOptions,
  timeout = sentinelTimeout,
): Promise<readonly Address[]> {
  const { nodes = [], master = '' } = options.sentinel ?? {};
  const replies = await Promise.allSettled(
    nodes.map((node) => askSentinel(sentinelServer(options, addressOf(node)), master, timeout)),
  );
  const reported = replies.flatMap((reply) => ('value' in reply ? (reply.value ?? []) : []));
  if (reported.length > 0) return byFrequency(reported).map(addressOf);
  if (replies.some(({ status }) => status === 'fulfilled'))
    throw new Error(`the Sentinels know no master named ${master}; correct redis.sentinel.master`);
  const reasons = replies.map((reply, index) =>
    'reason' in reply ? `${nodes[index]}: ${(reply.reason as Error).message}` : '',
  );
  throw new Error(`no Sentinel responds (${reasons.join('; ')})`);
}

/** Describes a connection to a Sentinel, which has its own credentials. */
export function sentinelServer({ sentinel, tls }: RedisOptions, address: Address): Server {
  return { address, username: sentinel?.username, password: sentinel?.password, tls };
}

async function askSentinel(
  server: Server,
  master: string,
  timeout: number,
): Promise<string | undefined> {
  const client = await openClient(server, timeout);
  try {
    const command = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master];
    const reply = await withTimeout(client.sendCommand<[string, string] | null>(command), timeout);
    return reply ? formatAddress({ host: reply[0], port: Number(reply[1]) }) : undefined;
  } finally {
    client.destroy();
  }
}

function byFrequency(values: readonly string[]): string[] {
  const count = (value: string) => values.filter((other) => other === value).length;
  return [...new Set(values)].toSorted((a, b) => count(b) - count(a));
}
