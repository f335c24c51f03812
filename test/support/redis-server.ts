import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { findRedisServer } from './provision.ts';
import { forgetProcess, noteProcess, runDirectory } from './run-directory.ts';
import { waitFor } from './wait-for.ts';

/** A Redis of one's own, to be disturbed. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** It hangs: connections stay open, nothing is answered. */
  pause(): void;
  resume(): void;
  /** Ends it at once; connections break and new ones are refused. Nothing it held comes back. */
  stop(): Promise<void>;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
}

/** Starts a `redis-server` on a free loopback port, without persistence; `args` are added to its command line. */
export async function startRedis({
  args = [],
}: { args?: readonly string[] } = {}): Promise<RedisServer> {
  const program = await findRedisServer();
  const port = await freePort();
  const directory = mkdtempSync(join(runDirectory(), 'redis-'));
  let child = await launch(program, port, directory, args);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return pidOf(child);
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: () => end(child),
    restart: async () => {
      await end(child);
      child = await launch(program, port, directory, args);
    },
  };
}

async function launch(
  program: string,
  port: number,
  directory: string,
  args: readonly string[],
): Promise<ChildProcess> {
  const always = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory];
  const child = spawn(program, [...always, '--save', '', '--appendonly', 'no', ...args], {
    stdio: 'ignore',
  });
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

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
  forgetProcess(pidOf(child));
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('The process was never started.');
  return pid;
}

/** Whether a Redis answers on this loopback port. `-NOAUTH` is an answer too. */
export function isUp(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host }, () => socket.write('PING\r\n'));
    socket.setTimeout(1_000, () => socket.destroy());
    socket.once('data', (data) => {
      resolve(/^(\+PONG|-NOAUTH|-NOPERM)/.test(data.toString()));
      socket.destroy();
    });
    socket.once('error', () => resolve(false)).once('close', () => resolve(false));
  });
}
