import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createClient } from 'redis';
import { freePort } from '../network/ports.ts';
import { findRedisServer } from '../setup/provision.ts';
import { forgetProcess, noteProcess, runDirectory } from '../setup/run-directory.ts';
import { clientCertificate, testTls } from '../network/tls.ts';
import { waitFor } from '../time/wait-for.ts';

/** A Redis of one's own, to be disturbed. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Where it speaks TLS, if it was started with `tls`. */
  readonly tlsPort: number;
  readonly pid: number;
  /** Sends it a command as an operator does, over a connection of its own. */
  command(...command: readonly string[]): Promise<unknown>;
  /** Makes it hang: connections stay open, commands get no reply. */
  pause(): void;
  resume(): void;
  /** Ends it at once; connections break and new ones are refused. Nothing it held comes back. */
  stop(): Promise<void>;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
}

/** What a Redis is started with. */
export interface RedisServerOptions {
  /** Added to its command line. */
  readonly args?: readonly string[];
  /**
   * Also listens on `tlsPort`, with the certificate of `testTls()`; `mutual` requires client
   * certificates of the same authority.
   */
  readonly tls?: 'server' | 'mutual' | undefined;
}

/** Starts a `redis-server` on a free loopback port, without persistence. */
export async function startRedis({
  args = [],
  tls,
}: RedisServerOptions = {}): Promise<RedisServer> {
  const program = await findRedisServer();
  const [port, tlsPort] = [await freePort(), await freePort()];
  const directory = mkdtempSync(join(runDirectory(), 'redis-'));
  const always = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory];
  const volatile = ['--save', '', '--appendonly', 'no'];
  const all = [...always, ...volatile, ...(tls ? tlsArguments(tlsPort, tls) : []), ...args];
  let child = await launch(program, all, port);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    tlsPort,
    get pid() {
      return pidOf(child);
    },
    command: (...command) => redisCommand(port, command, { password: passwordIn(args) }),
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: () => end(child),
    restart: async () => {
      await end(child);
      child = await launch(program, all, port);
    },
  };
}

/**
 * Command line, or without the dashes the configuration file, of a server with TLS on every
 * connection.
 */
export function tlsArguments(tlsPort: number, tls: 'server' | 'mutual'): string[] {
  const { certFile, keyFile, caFile } = testTls();
  const client = clientCertificate('redis');
  const values = {
    'tls-port': String(tlsPort),
    'tls-cert-file': certFile,
    'tls-key-file': keyFile,
    'tls-client-cert-file': client.certFile,
    'tls-client-key-file': client.keyFile,
    'tls-ca-cert-file': caFile,
    'tls-auth-clients': tls === 'mutual' ? 'yes' : 'no',
  };
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, value]);
}

/** Sends one command to the Redis on this loopback port, over a connection of its own. */
export async function redisCommand(
  port: number,
  command: readonly string[],
  { password }: { readonly password?: string | undefined } = {},
): Promise<unknown> {
  const socket = { host: '127.0.0.1', port, reconnectStrategy: false } as const;
  const client = createClient({ socket, ...(password && { password }) });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await client.sendCommand([...command]);
  } finally {
    client.destroy();
  }
}

function passwordIn(args: readonly string[]): string | undefined {
  const index = args.indexOf('--requirepass');
  return index < 0 ? undefined : args[index + 1];
}

/** Starts a Redis program on this loopback port, and waits until it replies. */
export async function launch(
  program: string,
  args: readonly string[],
  port: number,
): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: 'ignore' });
  child.unref();
  await once(child, 'spawn');
  noteProcess(pidOf(child));
  await waitFor(() => isUp(port) || refuseWhenDead(child));
  return child;
}

function refuseWhenDead(child: ChildProcess): false {
  if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}.`);
  return false;
}

/** Ends a program at once. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
  forgetProcess(pidOf(child));
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('The process was never started.');
  return pid;
}

/** Whether a Redis replies on this loopback port; `-NOAUTH` and `-LOADING` count as replies. */
export function isUp(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host }, () => socket.write('PING\r\n'));
    socket.setTimeout(1_000, () => socket.destroy());
    socket.once('data', (data) => {
      resolve(/^(\+PONG|-NOAUTH|-NOPERM|-LOADING)/.test(data.toString()));
      socket.destroy();
    });
    socket.once('error', () => resolve(false)).once('close', () => resolve(false));
  });
}
