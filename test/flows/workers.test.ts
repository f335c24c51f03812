import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { respondWith, slowly } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import {
  Command,
  plainOptions,
  runWithTakenPort,
  writeConfig,
} from '../support/bff/built-server.ts';
import { figuresIn } from '../support/bff/metrics.ts';
import { freePort } from '../support/network/ports.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { waitFor } from '../support/time/wait-for.ts';

const token = 'an-operator-token-for-tests';

/**
 * What a configuration for two workers has beside that of a BFF whose sign-ins and sessions they
 * share.
 */
async function optionsBeside(bff: TestBff) {
  const { issuer, clientId, clientSecret } = bff.authorizationServer;
  const { url, keyPrefix } = bff.redis;
  const options = await plainOptions({
    publicUrl: bff.url,
    redis: { url, keyPrefix },
    providers: [{ id: 'corp', issuer, clientId, clientSecret }],
    routes: [
      { path: '/api', upstream: bff.upstream.url },
      { path: '/open', upstream: bff.upstream.url, token: 'none' },
    ],
  });
  const port = await freePort();
  return {
    ...options,
    server: { port, host: '127.0.0.1', workers: 2 },
    management: { port: Number(options.management?.port), token },
  };
}

type Line = Record<string, unknown>;

const longTimeout = { timeout: 20_000 };

describe('two workers', () => {
  let bff: TestBff;
  let server: Command;
  let config: string;
  let port: number;
  let management: string;
  let browser: TestBrowser;

  const linesWith = (msg: string) => server.lines.filter((line) => line['msg'] === msg);
  const workersOf = (lines: readonly Line[]) => new Set(lines.map(({ worker }) => worker));
  /** A call on a connection of its own: each worker gets the next one in turn. */
  const call = (path = '/open') =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });

  /** Of the management listener, for a request with this `Host`. */
  const statusFor = async (host: string, path = '/livez') => {
    const head = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    return (await rawRequest(Number(new URL(management).port), head)).statuses[0];
  };

  beforeAll(async () => {
    bff = await startBff();
    const options = await optionsBeside(bff);
    port = options.server.port;
    management = `http://127.0.0.1:${options.management.port}`;
    config = writeConfig(options);
    server = new Command(['--config', config]);
    await server.line('listening');
    browser = (await bff.signedIn()).via(port);
  }, 30_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await bff.close();
  });

  it('both respond, behind one port, and one line says that they listen', async () => {
    for (let n = 0; n < 4; n += 1) expect((await call()).status).toBe(200);
    await waitFor(() => workersOf(linesWith('request completed')).size === 2);
    expect(linesWith('listening')).toEqual([
      expect.objectContaining({ address: `127.0.0.1:${port}`, workers: 2 }),
    ]);
    expect(linesWith('listening')[0]).not.toHaveProperty('worker');
  });

  it('have one management listener: health, the sum of their metrics, and the sessions of all', async () => {
    const ready = await fetch(`${management}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([200, { status: 'ok' }]);
    expect((await fetch(`${management}/livez`)).status).toBe(200);
    expect((await fetch(`${management}/nowhere`)).status).toBe(404);
    const before = await openCalls();
    for (let n = 0; n < 6; n += 1) await (await call()).text();
    await waitFor(async () => (await openCalls()) === before + 6);
    expect(await figures()).toMatchObject({
      pixie_workers: 2,
      pixie_workers_silent: 0,
      pixie_log_lines_dropped_total: 0,
    });
    const sessions = await fetch(`${management}/sessions?sub=alice`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await sessions.json()).toEqual([expect.objectContaining({ sub: 'alice' })]);
    expect((await fetch(`${management}/sessions?sub=alice`)).status).toBe(401);
  });

  it('have a primary that no web page reaches by DNS rebinding', async () => {
    for (const path of ['/livez', '/readyz', '/metrics', '/sessions?sub=alice'])
      expect(await statusFor('rebound.evil.example', path)).toBe(421);
    expect(await statusFor('ops')).toBe(421);
  });

  it('replace one that is killed, and no user is signed out', async () => {
    const before = await openCalls();
    const [victim] = linesWith('a worker serves');
    process.kill(Number(victim?.['pid']), 'SIGKILL');
    await waitFor(() => linesWith('a worker serves').length === 3, longTimeout);
    expect(linesWith('a worker died')).toEqual([
      expect.objectContaining({ level: 'error', worker: victim?.['worker'], signal: 'SIGKILL' }),
    ]);
    for (let n = 0; n < 4; n += 1) expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(await openCalls()).toBe(before);
    expect(await figures()).toMatchObject({ pixie_workers: 2, pixie_worker_deaths_total: 1 });
  });

  it('stay when SIGHUP finds a wrong configuration', async () => {
    const right = readFileSync(config, 'utf8');
    writeFileSync(config, right.replace('"routes"', '"rutes"'));
    server.signal('SIGHUP');
    const line = await server.line('configuration not taken over; workers go on as before');
    expect(line).toMatchObject({ level: 'error', err: { type: 'ConfigurationError' } });
    expect(JSON.stringify(line)).toContain('rutes');
    writeFileSync(config, right);
    expect((await call()).status).toBe(200);
    expect(linesWith('a worker serves')).toHaveLength(3);
  });

  it('are replaced one after the other at SIGHUP, and no request is lost', async () => {
    const before = readFileSync(config, 'utf8').replaceAll('/open', '/other');
    writeFileSync(config, before.replace('"token"', '"hosts":["ops"],"token"'));
    const load = startLoad();
    server.signal('SIGHUP');
    await waitFor(() => linesWith('configuration read again').length === 1, longTimeout);
    await waitFor(() => workersOf(linesWith('stopped')).size === 2, longTimeout);
    const { responses, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(responses).toBeGreaterThan(100);
    expect((await call('/open')).status).toBe(404);
    expect((await call('/other')).status).toBe(200);
    expect([await statusFor('ops'), await statusFor('rebound.evil.example')]).toEqual([200, 421]);
  });

  it('finish what is under way at SIGTERM, and all exit with 0', async () => {
    bff.upstream.requests.length = 0;
    bff.upstream.handler = slowly(1_000, respondWith(200, 'late but whole'));
    const slow = [call('/other/1'), call('/other/2')];
    await waitFor(() => bff.upstream.requests.length === 2);
    server.signal('SIGTERM');
    await server.line('draining');
    const ready = await fetch(`${management}/readyz`);
    expect(await ready.json()).toMatchObject({ checks: { server: { reason: 'draining' } } });
    const texts = await Promise.all(slow.map(async (response) => (await response).text()));
    expect(texts).toEqual(['late but whole', 'late but whole']);
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.lines.at(-1)).toMatchObject({ msg: 'stopped' });
    expect(server.lines.at(-1)).not.toHaveProperty('worker');
    expect(server.stderr).toBe('');
  });

  const figures = async () => figuresIn(await (await fetch(`${management}/metrics`)).text());

  async function openCalls(): Promise<number> {
    const all = await figures();
    const name = 'pixie_http_requests_total{kind="route",route="/open",method="read",status="200"}';
    return all[name] ?? 0;
  }

  /** Clients that call again and again, on connections they keep. */
  function startLoad() {
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 8 });
    const cookie = browser.cookieHeader();
    const over = new AbortController();
    const failures: string[] = [];
    let responses = 0;
    const caller = async () => {
      while (!over.signal.aborted) {
        try {
          const options = { path: '/api/x', method: 'GET', headers: { cookie, 'x-csrf': '1' } };
          const { statusCode, body } = await pool.request(options as never);
          await body.dump();
          responses += 1;
          if (statusCode !== 200) failures.push(String(statusCode));
        } catch (error) {
          failures.push(String(error));
        }
        await delay(2); // as many calls as this machine has time for, beside starting processes
      }
    };
    const callers = Array.from({ length: 8 }, caller);
    const stop = async () => {
      over.abort();
      await Promise.all(callers);
      await pool.destroy();
      return { responses, failures };
    };
    return { stop };
  }
});

describe('workers that cannot start', () => {
  it.each(['server', 'management'] as const)(
    'are one clear sentence for a taken %s.port, and exit code 1',
    async (block) => {
      await using bff = await startBff();
      const options = await optionsBeside(bff);
      const { code, port, stdout, stderr } = await runWithTakenPort(options, block);
      expect(code).toBe(1);
      expect(stderr).toBe(
        `The configuration has a mistake:\n  ${block}.port: 127.0.0.1:${port} is taken; stop what listens there, or choose another\n`,
      );
      expect(stdout).not.toMatch(/listening|EADDRINUSE/);
    },
    20_000,
  );
});
