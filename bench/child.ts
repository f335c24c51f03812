import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { runDirectory } from '../test/support/setup/run-directory.ts';
import { waitFor } from '../test/support/time/wait-for.ts';

/** A server of the bench, a process of its own whose output is a file. */
export interface Child {
  readonly pid: number;
  /** A directory it has for itself; what it printed is in `output`. */
  readonly directory: string;
  readonly output: string;
  close(): Promise<void>;
}

/** How to start one. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly directory?: string;
}

/**
 * Starts a server and waits until it accepts connections. Throws, with what it printed last, when
 * it ends first.
 */
export async function startChild({ program, args, port, env, directory }: Launch): Promise<Child> {
  const home = directory ?? childDirectory();
  const output = join(home, 'output.log');
  const file = openSync(output, 'w');
  const child = spawn(program, args, {
    cwd: home,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', file, file],
    // A group of its own, so that it can be ended with all its children.
    detached: true,
  });
  closeSync(file);
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  // The last resort, for a run that ends early.
  const endGroup = () => process.kill(-pid, 'SIGKILL');
  process.once('exit', endGroup);
  child.once('exit', () => process.off('exit', endGroup));
  const close = () => end(child, endGroup);
  const isUp = async () => hasEnded(child) || (await accepts(port));
  try {
    await waitFor(isUp, { timeout: 20_000 });
    if (hasEnded(child)) throw new Error(`it ended: ${lastWords(output)}`);
  } catch (error) {
    await close();
    throw error;
  }
  return { pid, directory: home, output, close };
}

/** A new directory for one server. */
export function childDirectory(): string {
  return mkdtempSync(join(runDirectory(), 'bench-'));
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function lastWords(output: string): string {
  return readFileSync(output, 'utf8').trim().split('\n').slice(-5).join('\n');
}

/** Asks it to end, and insists after two seconds. */
async function end(child: ChildProcess, endGroup: () => void): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const insist = setTimeout(endGroup, 2000);
  await ended;
  clearTimeout(insist);
}
