import { check } from '../../src/cli/check.ts';
import type { OptionsInput } from '../../src/config/options.ts';
import { plainOptions, writeConfig } from '../support/bff/built-server.ts';
import { freePort } from '../support/network/ports.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { startRedis } from '../support/redis/server.ts';
import { startSentinels } from '../support/redis/sentinel.ts';
import { testTls } from '../support/network/tls.ts';

/** What `pixie-bff check` says of this Redis, in one line. */
async function says(redis: NonNullable<OptionsInput['redis']>): Promise<string> {
  const { checks } = await check(writeConfig(await plainOptions({ redis })));
  const found = checks.find(({ name }) => name === 'redis') ?? checks[0];
  return `${found?.status}: ${found?.message}`;
}

const ca = () => testTls().caFile;

it('of a server that speaks TLS it says whose certificate it does not trust, and that it is not what was expected', async () => {
  const { tlsPort, stop } = await startRedis({ tls: 'server' });
  const at = `127.0.0.1:${tlsPort}`;
  expect(await says({ url: `rediss://${at}`, tls: { ca: ca() } })).toMatch(/^ok: .* answers$/);
  expect(await says({ url: `rediss://${at}` })).toBe(
    `error: ${at} has a certificate of an authority that is not known here; name its PEM file in redis.tls.ca`,
  );
  expect(await says({ url: `rediss://${at}`, tls: { ca: ca(), servername: 'other' } })).toMatch(
    /^error: .*: use a host name that its certificate is for$/,
  );
  expect(await says({ url: `redis://${at}` })).toBe(
    `error: ${at} ends the connection; if it speaks TLS, add redis.tls: {}`,
  );
  await stop();
});

it('of Sentinels it says who the master is, or which option is wrong', async () => {
  const secrets = { password: 'data-pass', sentinelPassword: 'sentinel-pass' };
  const { master, nodes, currentMaster, command, stop } = await startSentinels(secrets);
  const where = `127.0.0.1:${(await currentMaster()).port}`;
  const sentinel = { master, nodes, password: 'sentinel-pass' };
  expect(await says({ sentinel, password: 'data-pass' })).toMatch(
    new RegExp(`^ok: .* at ${where}, master main, answers$`),
  );
  expect(await says({ sentinel: { ...sentinel, master: 'other' }, password: 'data-pass' })).toBe(
    'error: the Sentinels know no master named other; correct redis.sentinel.master',
  );
  expect(await says({ sentinel: { master, nodes }, password: 'data-pass' })).toBe(
    `error: ${nodes[0]} refuses user or password; correct redis.sentinel.username and redis.sentinel.password`,
  );
  expect(await says({ sentinel, password: 'canary' })).toBe(
    `error: ${where} refuses user or password; correct redis.username and redis.password`,
  );
  const unusedAddress = `127.0.0.1:${await freePort()}`;
  expect(await says({ sentinel: { master, nodes: [unusedAddress] } })).toBe(
    `error: connect ECONNREFUSED ${unusedAddress}: nothing listens there; start it, or correct the address`,
  );
  expect(await says({ url: `redis://:sentinel-pass@${nodes[0]}` })).toBe(
    `error: ${nodes[0]} is a Sentinel; name it in redis.sentinel.nodes`,
  );
  expect(String(await command('PING'))).toBe('PONG');
  await stop();
});

it('of a cluster it says how many masters it has, that one of them evicts, or that slots have none', async () => {
  const cluster = await startCluster();
  const { nodes, masters } = cluster;
  expect(await says({ cluster: { nodes } })).toMatch(/^ok: .*, a cluster of 3 masters, answers$/);
  const unusedAddress = `127.0.0.1:${await freePort()}`;
  expect(await says({ cluster: { nodes: [unusedAddress, ...nodes] } })).toMatch(/^ok: /);
  expect(await says({ url: `redis://${nodes[1]}` })).toBe(
    `error: ${nodes[1]} is one node of a Redis Cluster; name it in redis.cluster.nodes`,
  );
  await masters[2]?.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  expect(await says({ cluster: { nodes } })).toMatch(/^warning: .*maxmemory-policy is allkeys-lru/);
  await masters[0]?.command('CLUSTER', 'DELSLOTS', '7');
  expect(await says({ cluster: { nodes: nodes.slice(0, 1) } })).toBe(
    'error: 1 of 16384 slots of the cluster have no master; repair it with: redis-cli --cluster fix',
  );
  await masters[1]?.stop();
  expect(await says({ cluster: { nodes: nodes.slice(1, 2) } })).toBe(
    `error: connect ECONNREFUSED ${nodes[1]}: nothing listens there; start it, or correct the address`,
  );
  const alone = await startRedis();
  expect(await says({ cluster: { nodes: [`127.0.0.1:${alone.port}`] } })).toBe(
    `error: 127.0.0.1:${alone.port} is no node of a Redis Cluster; name it in redis.url`,
  );
  await alone.stop();
  await cluster.stop();
});
