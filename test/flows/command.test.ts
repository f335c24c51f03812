import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  Command,
  plainOptions,
  run,
  runWithTakenPort,
  startServer,
  writeConfig,
} from '../support/bff/built-server.ts';
import { createApp } from '../../src/server/create-app.ts';
import { parseOptions } from '../../src/config/load.ts';
import { respondWith, slowly } from '../support/upstream/responses.ts';
import { LogCapture } from '../support/bff/logs.ts';
import { freePort } from '../support/network/ports.ts';
import { testTls } from '../support/network/tls.ts';
import { startUpstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

const secret = 'a session secret for tests, long enough';

function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
    socket.once('close', () => socket.destroy());
  });
}

describe('the server', () => {
  it('starts without Redis and without its provider in well under ten seconds, in JSON lines', async () => {
    const options = await plainOptions();
    const start = performance.now();
    await using server = await startServer(options);
    const milliseconds = Math.round(performance.now() - start);
    console.info(`The built server listened after ${milliseconds} ms.`);
    expect(milliseconds).toBeLessThan(10_000);
    expect(server.lines.map(({ level, msg }) => [level, msg])).toEqual([
      ['warn', 'no redis.url: sessions live in this process alone and end with it'],
      ['info', 'listening'],
    ]);
    expect(server.lines.every(({ time }) => !Number.isNaN(Date.parse(String(time))))).toBe(true);
    expect(server.lines[1]).toMatchObject({
      publicUrl: options.publicUrl,
      address: `127.0.0.1:${options.server?.port}`,
      management: `127.0.0.1:${options.management?.port}`,
    });
    expect(server.stderr).toBe('');
    const response = await fetch(`http://127.0.0.1:${options.server?.port}/bff/user`, {
      headers: { 'x-csrf': '1' },
    });
    expect(response.status).toBe(401);
  });

  it('calls who writes a line by its name, though it is bundled', async () => {
    const options = await plainOptions();
    await using server = await startServer(options);
    await fetch(`http://127.0.0.1:${options.server?.port}/bff/login`, { redirect: 'manual' });
    expect(await server.line('provider_unavailable')).toMatchObject({ context: 'ProblemFilter' });
  });

  it('can be configured by the environment alone', async () => {
    await using upstream = await disposableUpstream();
    const port = await freePort();
    await using server = new Command([], {
      BFF_PUBLIC_URL: `http://localhost:${port}`,
      BFF_SERVER_PORT: String(port),
      BFF_MANAGEMENT_PORT: String(await freePort()),
      BFF_OIDC_ISSUER: `http://127.0.0.1:${await freePort()}`,
      BFF_OIDC_CLIENT_ID: 'spa',
      BFF_OIDC_CLIENT_SECRET: 'client secret',
      BFF_SESSION_SECRET: secret,
      BFF_API_PATH: '/api',
      BFF_API_UPSTREAM: upstream.url,
    });
    expect(await server.line('listening')).toMatchObject({ configuration: 'environment' });
    const response = await fetch(`http://127.0.0.1:${port}/api/notes`, {
      headers: { 'x-csrf': '1' },
    });
    expect(response.status).toBe(401);
  });

  it('says at the start when Redis cannot be reached, and comes up nevertheless', async () => {
    const url = `redis://user:canary@127.0.0.1:${await freePort()}`;
    await using server = await startServer(await plainOptions({ redis: { url } }));
    const lost = await waitFor(
      () => server.lines.find(({ context }) => context === 'Redis') ?? false,
    );
    expect(lost).toMatchObject({ level: 'error', err: { code: 'ECONNREFUSED' } });
    expect(server.stdout).not.toContain('canary');
  });
});

async function plainConfig(): Promise<string[]> {
  return ['--config', writeConfig(await plainOptions())];
}

/** Lets this process make a mistake when it gets a signal that nobody else sends. */
function sabotage(mistake: string): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=data:text/javascript,process.once('SIGHUP',()=>{${mistake}})`,
  };
}

describe('an error in the BFF that no code caught', () => {
  const leaky = `Object.assign(new/**/Error('stray'),{token:'can'+'ary'})`;

  it('is logged without what it carries, and other requests go on, if it is a promise', async () => {
    await using server = new Command(await plainConfig(), sabotage(`Promise.reject(${leaky})`));
    const { address } = await server.line('listening');
    server.signal('SIGHUP');
    expect(await server.line('unhandled rejection')).toMatchObject({
      level: 'error',
      err: { message: 'stray', stack: expect.any(String) },
    });
    expect((await fetch(`http://${address}/bff/user`)).status).toBe(403);
    expect(server.stdout + server.stderr).not.toContain('canary');
  });

  it('ends the process with exit code 1 if it is an exception', async () => {
    await using server = new Command(await plainConfig(), sabotage(`throw/**/${leaky}`));
    await server.line('listening');
    server.signal('SIGHUP');
    expect(await server.exit).toEqual({ code: 1, signal: null });
    expect(server.lines.at(-1)).toMatchObject({ level: 'fatal', msg: 'uncaught exception' });
    expect(server.stdout + server.stderr).not.toContain('canary');
  });
});

describe('stopping', () => {
  it('finishes what is under way, takes nothing new, and exits 0', async () => {
    await using upstream = await disposableUpstream();
    const options = await plainOptions({
      routes: [{ path: '/slow', upstream: upstream.url, token: 'none' }],
    });
    const port = Number(options.server?.port);
    await using server = await startServer(options);
    const slow = fetch(`http://127.0.0.1:${port}/slow`);
    await waitFor(() => upstream.requests.length === 1);
    server.signal('SIGTERM');
    await waitFor(() => refuses(port));
    const readiness = await fetch(`http://127.0.0.1:${options.management?.port}/readyz`);
    expect(readiness.status).toBe(503);
    expect(await readiness.json()).toEqual({
      status: 'unavailable',
      checks: { server: { status: 'unavailable', reason: 'draining' } },
    });
    const response = await slow;
    expect([response.status, await response.text()]).toEqual([200, 'late but whole']);
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['draining', 'request completed', 'stopped']),
    );
    expect(server.lines.at(-1)).toMatchObject({ msg: 'stopped' });
    expect(server.stderr).toBe('');
  });

  it('is not held up by idle connections', async () => {
    const options = await plainOptions();
    const port = Number(options.server?.port);
    await using server = await startServer(options);
    const agent = new Agent({ keepAlive: true });
    const [response] = await once(get({ agent, port, host: '127.0.0.1', path: '/' }), 'response');
    response.resume();
    await once(response, 'end');
    const neverUsed = connect({ port, host: '127.0.0.1' });
    await once(neverUsed, 'connect');
    const start = performance.now();
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(performance.now() - start).toBeLessThan(2_000);
    agent.destroy();
    neverUsed.destroy();
  });

  it('is still patient when the same signal arrives twice', async () => {
    await using upstream = await disposableUpstream();
    const options = await plainOptions({
      routes: [{ path: '/slow', upstream: upstream.url, token: 'none' }],
    });
    await using server = await startServer(options);
    const slow = fetch(`http://127.0.0.1:${options.server?.port}/slow`);
    await waitFor(() => upstream.requests.length === 1);
    server.signal('SIGTERM');
    await server.line('draining');
    server.signal('SIGTERM');
    expect((await slow).status).toBe(200);
    expect(await server.exit).toEqual({ code: 0, signal: null });
  });

  it('is immediate after a second signal', async () => {
    await using upstream = await disposableUpstream();
    upstream.handler = () => undefined;
    const options = await plainOptions({
      routes: [{ path: '/slow', upstream: upstream.url, token: 'none' }],
    });
    await using server = await startServer(options);
    const never = fetch(`http://127.0.0.1:${options.server?.port}/slow`).catch(() => 'cut');
    await waitFor(() => upstream.requests.length === 1);
    server.signal('SIGINT');
    await server.line('draining');
    await delay(1_100); // that a second passes is what makes it another wish
    server.signal('SIGINT');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(await never).toBe('cut');
  });

  it('writes every line before it exits, and lets no request wait for who reads them', async () => {
    const options = await plainOptions();
    await using server = await startServer(options);
    // Not pipelined: of answers that wait in line Node never says what became of them when the
    // client goes away.
    const address = `http://127.0.0.1:${options.server?.port}/${'x'.repeat(900)}`;
    server.pauseReading();
    await Promise.all(Array.from({ length: 300 }, async () => (await fetch(address)).text()));
    server.signal('SIGTERM');
    server.resumeReading();
    await server.exit;
    const requested = server.lines.filter(({ msg }) => String(msg).startsWith('request '));
    expect(requested).toHaveLength(300);
    expect(server.lines.at(-1)).toMatchObject({ msg: 'stopped' });
  });
});

describe('a start that fails is one clear text on standard error and exit code 1', () => {
  it('and an error to the caller of createApp, who decides what it means', async () => {
    const capture = new LogCapture();
    const options = parseOptions(await plainOptions());
    const cert = writeConfig('no certificate');
    const server = { ...options.server, tls: { cert, key: cert } };
    const creation = createApp({ ...options, server }, { logStream: capture.stream });
    await expect(creation).rejects.toThrow('cert and key cannot be used together');
    expect(capture.text).toBe('');
  });

  it.each(['server', 'management'] as const)('for a taken %s.port', async (block) => {
    const options = await plainOptions();
    const { code, port, stdout, stderr } = await runWithTakenPort(options, block);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `The configuration has a mistake:\n  ${block}.port: 127.0.0.1:${port} is taken; stop what listens there, or choose another\n`,
    );
    expect(stdout).not.toMatch(/listening|EADDRINUSE/);
  });

  it.each([
    ['that this machine does not have', '192.0.2.1'],
    ['that nobody knows', 'no-such-host.invalid'],
  ])('for an address %s', async (_, host) => {
    const { server, ...options } = await plainOptions();
    const config = writeConfig({ ...options, server: { ...server, host } } as never);
    const { code, stderr } = await run(['--config', config]);
    expect(code).toBe(1);
    expect(stderr).toContain('  server.port: ');
    expect(stderr).toContain(host);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('for YAML that is none', async () => {
    const { code, stdout, stderr } = await run(['--config', writeConfig('publicUrl: [')]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^The configuration has /);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('with every mistake at once', async () => {
    const broken = {
      ...(await plainOptions()),
      publicUrl: 'ftp://x',
      basePth: '/bff',
      providers: [],
    };
    const { code, stderr } = await run(['--config', writeConfig(broken as never)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^The configuration has 3 mistakes:\n/);
    for (const name of ['publicUrl', 'basePth', 'providers'])
      expect(stderr).toContain(`  ${name}: `);
  });

  it('for an https publicUrl without Redis', async () => {
    const config = writeConfig(await plainOptions({ publicUrl: 'https://app.example.com' }));
    const { code, stderr } = await run(['--config', config]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      '  redis.url: is required because publicUrl is https://app.example.com',
    );
  });

  it('for a file that is not there', async () => {
    const { code, stderr } = await run(['--config', '/nowhere/bff.yaml']);
    expect(code).toBe(1);
    expect(stderr).toContain('/nowhere/bff.yaml cannot be read (ENOENT)');
  });

  it('for a certificate that is none', async () => {
    const { server, ...options } = await plainOptions();
    const { keyFile } = testTls();
    const tls = { cert: writeConfig('no certificate'), key: keyFile };
    const { code, stderr } = await run([
      '--config',
      writeConfig({ ...options, server: { ...server, tls } } as never),
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('  server.tls: cert and key cannot be used together');
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it.each([
    ['an unknown command', ['frobnicate'], 'There is no command frobnicate.'],
    ['an unknown option', ['--port', '1'], "Unknown option '--port'."],
    ['two commands', ['check', 'serve'], 'serve: one command is enough.'],
    ['an option of another command', ['--json'], '--json belongs to check.'],
  ])('for %s', async (_, args, sentence) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.split('\n')[0]).toBe(sentence);
    expect(stderr).toContain('pixie-bff check');
  });
});

describe('the other commands', () => {
  it.each([['version'], ['--version'], ['-v']])('%s prints the version', async (argument) => {
    expect(await run([argument])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('--help names them all', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const name of ['serve', 'check', 'version']) expect(stdout).toContain(name);
  });
});

async function disposableUpstream() {
  const upstream = await startUpstream(slowly(1_000, respondWith(200, 'late but whole')));
  return Object.assign(upstream, { [Symbol.asyncDispose]: () => upstream.close() });
}
