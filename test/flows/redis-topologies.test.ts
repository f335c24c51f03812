import { readFileSync } from 'node:fs';
import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import { testClock } from '../support/time/clock.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { startSentinels } from '../support/redis/sentinel.ts';
import { clientCertificate, testTls } from '../support/network/tls.ts';
import { whoIs } from './steps.ts';

/** Redis as somebody runs it: what `bff.yaml` says of it, and how to end it. */
interface Setting {
  readonly redis: NonNullable<BffOverrides['redis']>;
  readonly stop: () => Promise<void>;
  /** Where the sessions are, and the number of their database, where it is not 0. */
  readonly kept?: { readonly in: RedisServer; readonly database: number };
}

const authority = () => testTls().caFile;

const manual = readFileSync('docs/operations.md', 'utf8');

/** The rights of the user in the operations manual, for another key prefix and password. */
function rights(keyPrefix: string): string[] {
  const line = /^ACL SETUSER pixie (.*)$/m.exec(manual)?.[1] ?? '';
  return line.replace('>PASSWORD', '>user-pass').replace('~bff:*', `~${keyPrefix}*`).split(' ');
}

const settings: Readonly<Record<string, () => Promise<Setting>>> = {
  'one server': async () => {
    const server = await startRedis();
    const kept = { in: server, database: 3 };
    return { redis: { url: `${server.url}/3` }, stop: () => server.stop(), kept };
  },

  'one server that speaks TLS, asks for a client certificate and is trusted by redis.tls.ca':
    async () => {
      const server = await startRedis({ tls: 'mutual', args: ['--requirepass', 'p:w/%'] });
      const { certFile, keyFile } = clientCertificate('bff');
      const tls = { ca: authority(), cert: certFile, key: keyFile, servername: 'localhost' };
      const url = `rediss://:${encodeURIComponent('p:w/%')}@127.0.0.1:${server.tlsPort}`;
      return { redis: { url, tls }, stop: () => server.stop() };
    },

  'one server, as a user with no more rights than the manual says': async () => {
    const server = await startRedis();
    await server.command('ACL', 'SETUSER', 'pixie', ...rights('limited:'));
    const login = { username: 'pixie', password: 'user-pass' };
    return {
      redis: { url: server.url, ...login, keyPrefix: 'limited:' },
      stop: () => server.stop(),
    };
  },

  'a master behind Sentinels, passwords and a database number': async () => {
    const { master, nodes, currentMaster, stop } = await startSentinels({
      password: 'data-pass',
      sentinelPassword: 'sentinel-pass',
    });
    const sentinel = { master, nodes, password: 'sentinel-pass' };
    const redis = { url: undefined, sentinel, password: 'data-pass', database: 2 };
    return { redis, stop, kept: { in: await currentMaster(), database: 2 } };
  },

  'a master behind Sentinels that all speak TLS': async () => {
    const { master, nodes, stop } = await startSentinels({ tls: 'server' });
    return {
      redis: { url: undefined, sentinel: { master, nodes }, tls: { ca: authority() } },
      stop,
    };
  },

  'a cluster': async () => {
    const { nodes, stop } = await startCluster();
    return { redis: { url: undefined, cluster: { nodes: nodes.slice(0, 2) } }, stop };
  },

  'a cluster that speaks TLS, as a user with no more rights than the manual says': async () => {
    const { nodes, masters, stop } = await startCluster({ tls: 'server' });
    for (const server of masters)
      await server.command('ACL', 'SETUSER', 'pixie', ...rights('limited:'));
    const login = { username: 'pixie', password: 'user-pass', keyPrefix: 'limited:' };
    return {
      redis: { url: undefined, cluster: { nodes }, tls: { ca: authority() }, ...login },
      stop,
    };
  },
};

describe.each(Object.entries(settings))('with %s', (_, arrange) => {
  it('people sign in, call, are refreshed and sign out', async () => {
    const { redis, stop, kept } = await arrange();
    {
      const clock = testClock();
      await using bff = await startBff({
        redis,
        clock: clock.now,
        authorizationServer: { accessTokenSeconds: 60 },
      });
      // As many as make it likely that each master of a cluster has some of their keys.
      for (const person of ['alice', 'bob', 'alice', 'bob']) {
        const browser = await bff.signedIn(person);
        await expect(whoIs(browser)).resolves.toBe(person);
        expect((await browser.fetch('/api/x')).status).toBe(200);
        const first = bff.upstream.requests.at(-1)?.headers.authorization;
        const keyspace = kept ? await kept.in.command('INFO', 'keyspace') : 'db0:';
        expect(keyspace).toContain(`db${kept?.database ?? 0}:`);
        clock.advance(61_000);
        expect((await browser.fetch('/api/x')).status).toBe(200);
        expect(bff.upstream.requests.at(-1)?.headers.authorization).not.toBe(first);
        const { status } = await browser.fetch('/bff/logout', { method: 'POST' });
        expect(status).toBe(200);
        expect((await browser.fetch('/api/x')).status).toBe(401);
      }
      expect(await readiness(bff)).toEqual({ code: 200, redis: { status: 'ok' } });
      expect(bff.logs.lines.filter(({ level }) => level === 'error')).toEqual([]);
    }
    await stop();
  }, 60_000);
});

async function readiness(bff: TestBff) {
  const response = await fetch(`${bff.managementUrl}/readyz`);
  const { checks } = (await response.json()) as { checks: Record<string, unknown> };
  return { code: response.status, redis: checks['redis'] };
}
