import type { RedisOptions } from '../../../config/options.ts';
import {
  type Address,
  addressOf,
  dataServer,
  inTime,
  openClient,
  openMaster,
  type RedisClient,
  type Server,
  spellAddress,
} from './servers.ts';

/** Milliseconds. The Sentinels that have not answered after this long are not waited for. */
const patience = 700;

/**
 * Connects to the master that the Sentinels name. During a failover they disagree, and one that was
 * cut off names an old master for long: the master that most of them name is tried first, and each
 * must say of itself that it is one. We do this ourselves because the library's own Sentinel client
 * sends a command again after a lost connection, though Redis may have carried it out: a state
 * taken twice, a session written twice.
 */
export async function openSentinelMaster(
  options: RedisOptions,
  watched: string,
): Promise<RedisClient> {
  let failure: unknown;
  for (const address of await masterAddresses(options)) {
    try {
      return await openMaster(dataServer(options, address), watched);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/**
 * Where the Sentinels say the master is, the most frequent answer first. Throws if none of them
 * says so.
 */
export async function masterAddresses(
  options: RedisOptions,
  within = patience,
): Promise<readonly Address[]> {
  const { nodes = [], master = '' } = options.sentinel ?? {};
  const answers = await Promise.allSettled(
    nodes.map((node) => askSentinel(sentinelServer(options, addressOf(node)), master, within)),
  );
  const named = answers.flatMap((answer) => ('value' in answer ? (answer.value ?? []) : []));
  if (named.length > 0) return byFrequency(named).map(addressOf);
  if (answers.some(({ status }) => status === 'fulfilled'))
    throw new Error(`the Sentinels know no master named ${master}; correct redis.sentinel.master`);
  const reasons = answers.map((answer, index) =>
    'reason' in answer ? `${nodes[index]}: ${(answer.reason as Error).message}` : '',
  );
  throw new Error(`no Sentinel answers (${reasons.join('; ')})`);
}

/** One of the Sentinels, which have passwords of their own. */
export function sentinelServer({ sentinel, tls }: RedisOptions, address: Address): Server {
  return { address, username: sentinel?.username, password: sentinel?.password, tls };
}

async function askSentinel(
  server: Server,
  master: string,
  within: number,
): Promise<string | undefined> {
  const client = await openClient(server, within);
  try {
    const question = client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]);
    const answer = (await inTime(question, within)) as unknown as [string, string] | null;
    return answer ? spellAddress({ host: answer[0], port: Number(answer[1]) }) : undefined;
  } finally {
    client.destroy();
  }
}

function byFrequency(values: readonly string[]): string[] {
  const count = (value: string) => values.filter((other) => other === value).length;
  return [...new Set(values)].toSorted((a, b) => count(b) - count(a));
}
