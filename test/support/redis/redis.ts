import { randomBytes } from 'node:crypto';
import { createClient, RESP_TYPES } from 'redis';
import { clientCertificate } from '../network/tls.ts';

export { startRedis } from './server.ts';

/** A key prefix of the shared test Redis for one test alone. */
export interface TestRedis {
  readonly url: string;
  readonly keyPrefix: string;
  /**
   * Every key with this prefix, of any type, with all its bytes as text, one character (latin1) a
   * byte.
   */
  dump(): Promise<Map<string, string>>;
  /** Removes every key with this prefix, as an operator who flushes Redis does. */
  clear(): Promise<void>;
  /** Clears, and disconnects. */
  close(): Promise<void>;
}

/** Connects to the Redis of the test run, with a new key prefix. */
export async function testRedis(url = sharedRedisUrl()): Promise<TestRedis> {
  const keyPrefix = `test-${randomBytes(8).toString('hex')}:`;
  const client = createClient({ url, ...trusting(url) }).withTypeMapping({
    [RESP_TYPES.BLOB_STRING]: Buffer,
  });
  client.on('error', () => undefined);
  await client.connect();
  const keys = async () => {
    const found: Buffer[] = [];
    for await (const batch of client.scanIterator({ MATCH: `${keyPrefix}*`, COUNT: 1000 })) {
      found.push(...batch);
    }
    return found;
  };
  const clear = async () => {
    for (const key of await keys()) await client.unlink(key);
  };
  return {
    url,
    keyPrefix,
    clear,
    dump: async () => {
      const entries = await Promise.all(
        (await keys()).map(async (key) => [key.toString(), await readRaw(client, key)] as const),
      );
      return new Map(entries);
    },
    close: async () => {
      if (!client.isReady) return client.destroy();
      await clear();
      await client.close();
    },
  };
}

/** The test's own connection accepts any certificate. */
function trusting(url: string) {
  if (!url.startsWith('rediss:')) return {};
  const { cert, key } = clientCertificate('test');
  return { socket: { tls: true, rejectUnauthorized: false, cert, key } as const };
}

function sharedRedisUrl(): string {
  const url = process.env['PIXIE_TEST_REDIS_URL'];
  if (!url) throw new Error('There is no test Redis; run the tests with Jest and its globalSetup.');
  return url;
}

const readers: Readonly<Record<string, (key: Buffer) => (string | Buffer)[]>> = {
  string: (key) => ['GET', key],
  hash: (key) => ['HGETALL', key],
  list: (key) => ['LRANGE', key, '0', '-1'],
  set: (key) => ['SMEMBERS', key],
  zset: (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  stream: (key) => ['XRANGE', key, '-', '+'],
};

interface CommandSender {
  sendCommand(args: (string | Buffer)[]): Promise<unknown>;
}

async function readRaw(client: CommandSender, key: Buffer): Promise<string> {
  const type = String(await client.sendCommand(['TYPE', key]));
  const command = readers[type]?.(key) ?? ['DUMP', key];
  return flatten(await client.sendCommand(command));
}

function flatten(reply: unknown): string {
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  if (Array.isArray(reply)) return reply.map(flatten).join('\n');
  if (reply instanceof Map) return flatten([...reply].flat());
  if (typeof reply === 'object' && reply !== null) return flatten(Object.entries(reply).flat());
  return String(reply ?? '');
}
