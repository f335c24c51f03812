import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from 'redis';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { type RedisNetwork, startNetwork } from '../support/redis/network.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { runDirectory } from '../support/setup/run-directory.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { asProgram, beginLogin, errorCode, whoIs } from './steps.ts';

/** Sends a command as the operator does, over a connection that was there before the trouble. */
type Operator = (...command: readonly string[]) => Promise<unknown>;

interface Trouble {
  readonly redis: RedisServer;
  readonly network: RedisNetwork;
  readonly operator: Operator;
}

interface Fault {
  readonly args?: () => readonly string[];
  readonly begin: (trouble: Trouble) => unknown;
  readonly end: (trouble: Trouble) => unknown;
  /** What `/readyz` says of it. */
  readonly reason: RegExp;
  /** `writes`: what only reads goes on, so that people stay signed in; `all`, unless it is said. */
  readonly fails?: 'all' | 'writes';
  /** The BFF signs in at Redis as nobody, instead of as a user of its own. */
  readonly isAnonymous?: true;
}

const dropConnections = ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'] as const;
const doomed = () => mkdtempSync(join(runDirectory(), 'doomed-'));

const faults: Readonly<Record<string, Fault>> = {
  'refuses connections': {
    begin: ({ network }) => network.refuse(),
    end: ({ network }) => network.restore(),
    reason: /ECONNREFUSED/,
  },
  hangs: {
    begin: ({ redis }) => redis.pause(),
    end: ({ redis }) => redis.resume(),
    reason: /did not answer within 1500 ms/,
  },
  'answers three seconds late': {
    begin: ({ network }) => network.delayResponses(3000),
    end: ({ network }) => network.restore(),
    reason: /did not answer within 1500 ms/,
  },
  'has become a replica': {
    begin: ({ operator }) => operator('REPLICAOF', '127.0.0.1', '9'),
    end: ({ operator }) => operator('REPLICAOF', 'NO', 'ONE'),
    reason: /^READONLY/,
  },
  'asks for a password that it did not ask for before': {
    begin: async ({ operator }) => {
      await operator('CONFIG', 'SET', 'requirepass', 'new');
      await operator(...dropConnections);
    },
    end: ({ operator }) => operator('CONFIG', 'SET', 'requirepass', ''),
    reason: /^NOAUTH/,
    isAnonymous: true,
  },
  'has another password for us': {
    begin: async ({ operator }) => {
      await operator('ACL', 'SETUSER', 'pixie', 'resetpass', '>other');
      await operator(...dropConnections);
    },
    end: ({ operator }) => operator('ACL', 'SETUSER', 'pixie', 'resetpass', '>secret'),
    reason: /^WRONGPASS/,
  },
  'has taken our rights away': {
    begin: ({ operator }) =>
      operator('ACL', 'SETUSER', 'pixie', 'reset', 'on', '>secret', '+@connection'),
    end: ({ operator }) => operator('ACL', 'SETUSER', 'pixie', '+@all', '~*'),
    reason: /^NOPERM|no permissions/,
  },
  'has no memory left': {
    args: () => ['--maxmemory-policy', 'noeviction'],
    begin: ({ operator }) => operator('CONFIG', 'SET', 'maxmemory', '1'),
    end: ({ operator }) => operator('CONFIG', 'SET', 'maxmemory', '0'),
    reason: /^OOM/,
    fails: 'writes',
  },
  'has too few replicas to write': {
    begin: ({ operator }) => operator('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: ({ operator }) => operator('CONFIG', 'SET', 'min-replicas-to-write', '0'),
    reason: /^NOREPLICAS/,
    fails: 'writes',
  },
  'cannot save to its disk': {
    args: () => ['--save', '900 1', '--dir', doomed()],
    begin: async ({ operator }) => {
      const { dir } = (await operator('CONFIG', 'GET', 'dir')) as { dir: string };
      rmSync(dir, { recursive: true });
      await operator('BGSAVE');
      await waitFor(async () => /last_bgsave_status:err/.test(String(await operator('INFO'))));
    },
    end: ({ operator }) => operator('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'),
    reason: /^MISCONF/,
    fails: 'writes',
  },
  'is busy with the script of another client': {
    args: () => ['--busy-reply-threshold', '50'],
    begin: ({ redis }) => {
      redis.command('EVAL', 'while true do end', '0').catch(() => undefined);
    },
    end: ({ operator }) => operator('SCRIPT', 'KILL'),
    reason: /^BUSY/,
  },
  'starts anew and is loading what it saved': {
    args: () =>
      '--rdbcompression no --key-load-delay 1000 --loading-process-events-interval-bytes 1024'.split(
        ' ',
      ),
    begin: async ({ redis, operator }) => {
      const fill = `for n = 1, 4000 do redis.call('SET', 'fill' .. n, string.rep('x', 1024)) end`;
      await operator('EVAL', fill, '0');
      await operator('SAVE');
      await redis.restart();
    },
    end: () => undefined,
    reason: /^LOADING/,
    isAnonymous: true,
  },
};

describe.each(Object.entries(faults))('a Redis that %s', (_, fault) => {
  let redis: RedisServer;
  let network: RedisNetwork;
  let admin: ReturnType<typeof createClient>;
  const operator: Operator = (...command) => admin.sendCommand([...command]);

  beforeEach(async () => {
    redis = await startRedis({ args: fault.args?.() ?? [] });
    network = await startNetwork(redis.port);
    admin = createClient({ url: redis.url });
    admin.on('error', () => undefined);
    await admin.connect();
    if (!fault.isAnonymous)
      await admin.sendCommand(['ACL', 'SETUSER', 'pixie', 'on', '>secret', '+@all', '~*']);
  });
  afterEach(async () => {
    admin.destroy();
    network.close();
    redis.resume();
    await redis.stop();
  });

  it('is 503 within two seconds and named at /readyz, signs no user out, and is found again by itself', async () => {
    const trouble = { redis, network, operator };
    const login = fault.isAnonymous ? {} : { username: 'pixie', password: 'secret' };
    await using bff = await startBff({ redis: { url: network.url, ...login } });
    const browser = await bff.signedIn();
    expect(await readiness(bff)).toMatchObject({ code: 200 });

    await fault.begin(trouble);
    try {
      await expectTrouble(bff, browser, fault);
    } finally {
      await fault.end(trouble);
    }
    await waitFor(async () => (await whoIs(browser)) === 'alice', { timeout: 8000 });
    await waitFor(async () => (await readiness(bff)).code === 200);
    expect((await beginLogin(bff, bff.browser())).page.status).toBe(302);
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });
});

async function expectTrouble(bff: TestBff, browser: TestBrowser, { reason, fails }: Fault) {
  await waitFor(async () =>
    expect(await readiness(bff)).toMatchObject({
      code: 503,
      redis: { status: 'unavailable', reason: expect.stringMatching(reason) },
    }),
  );
  const cookies = browser.cookieHeader();
  const reading = await inTwoSeconds(() => fetchAs(browser, '/bff/user?slide=false'));
  const calling = await inTwoSeconds(() => fetchAs(browser, '/api/x'));
  const writing = await inTwoSeconds(() => loginPage(browser));
  const known = fails === 'writes' ? 200 : 503;
  expect([reading.status, calling.status, writing.status]).toEqual([known, known, 503]);
  for (const response of [reading, calling, writing].filter(({ status }) => status !== 200)) {
    expect(response.retryAfter).toMatch(/^\d+$/);
    expect(response.setCookie).toEqual([]);
    expect([response.status, errorCode(response)]).toEqual([503, 'session_store_unavailable']);
  }
  expect(browser.cookieHeader()).toBe(cookies);
}

describe('a name that leads to another server', () => {
  let first: RedisServer;
  let second: RedisServer;
  let network: RedisNetwork;
  beforeEach(async () => {
    const args = ['--repl-diskless-sync-delay', '0'];
    [first, second] = [await startRedis({ args }), await startRedis({ args })];
    network = await startNetwork(first.port);
    await second.command('REPLICAOF', '127.0.0.1', String(first.port));
  });
  afterEach(async () => {
    network.close();
    await Promise.all([first.stop(), second.stop()]);
  });

  it('is followed to a new master after the first reply that says so, and all users are still signed in', async () => {
    await using bff = await startBff({ redis: { url: network.url } });
    const browser = await bff.signedIn();
    await waitFor(async () =>
      /connected_slaves:1[\s\S]*state=online,offset=(\d+),[\s\S]*master_repl_offset:\1\r/.test(
        String(await first.command('INFO', 'replication')),
      ),
    );
    await second.command('REPLICAOF', 'NO', 'ONE');
    await first.command('REPLICAOF', '127.0.0.1', String(second.port));
    network.leadTo(second.port);
    // The connection to what is a replica now is as good as ever; only a write finds out.
    const refused = await loginPage(browser);
    expect([refused.status, errorCode(refused)]).toEqual([503, 'session_store_unavailable']);
    await waitFor(async () => (await readiness(bff)).code === 200);
    await expect(whoIs(browser)).resolves.toBe('alice');
    await bff.signedIn('bob');
    expect(String(await second.command('DBSIZE'))).not.toBe('0');
    // What the test itself wrote there can be cleared away again.
    await first.command('REPLICAOF', 'NO', 'ONE');
  });

  it('is not followed to a replica, from which nothing is read', async () => {
    await using bff = await startBff({ redis: { url: network.url } });
    const browser = await bff.signedIn();
    await waitFor(async () => (await second.command('DBSIZE')) === (await first.command('DBSIZE')));
    await network.refuse();
    network.leadTo(second.port);
    await network.restore();
    await waitFor(async () =>
      expect(await readiness(bff)).toMatchObject({
        redis: { reason: `READONLY 127.0.0.1:${network.port} is a replica` },
      }),
    );
    expect((await fetchAs(browser, '/bff/user?slide=false')).status).toBe(503);
    await second.command('REPLICAOF', 'NO', 'ONE');
    await waitFor(async () => (await whoIs(browser)) === 'alice');
  });
});

interface TimedResponse {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly setCookie: readonly string[];
  readonly body: string;
}

async function fetchAs(browser: TestBrowser, path: string): Promise<TimedResponse> {
  const response = await browser.fetch(path);
  return responseOf(response.status, response.headers, await response.text());
}

async function loginPage(browser: TestBrowser): Promise<TimedResponse> {
  const page = await browser.navigate('/bff/login', { redirect: 'manual', headers: asProgram });
  return responseOf(page.status, page.headers, page.body);
}

function responseOf(status: number, headers: Headers, body: string): TimedResponse {
  const retryAfter = headers.get('retry-after');
  return { status, retryAfter, setCookie: headers.getSetCookie(), body };
}

async function inTwoSeconds(request: () => Promise<TimedResponse>): Promise<TimedResponse> {
  const began = performance.now();
  const response = await request();
  expect(performance.now() - began).toBeLessThan(2000);
  return response;
}

async function readiness(bff: TestBff) {
  const began = performance.now();
  const response = await fetch(`${bff.managementUrl}/readyz`);
  expect(performance.now() - began).toBeLessThan(2000);
  const { checks } = (await response.json()) as { checks: Record<string, unknown> };
  return { code: response.status, redis: checks['redis'] };
}
