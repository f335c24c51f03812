import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { startChild, stopChild } from './child.ts';
import { DemoError } from './demo-error.ts';
import { findFreePort } from './ports.ts';

/** Where the BFF keeps sessions. Absent `url`: in its own memory. */
export interface SessionStore {
  readonly url?: string;
  readonly description: string;
  close(): Promise<void>;
}

interface Program {
  readonly command: string;
  readonly version: string;
}

const candidates = ['valkey-server', 'redis-server'];
const oldestMajor = 7;

/** The Redis of `REDIS_URL`; else one of our own, if this machine has the program; else none. */
export async function findSessionStore(env: NodeJS.ProcessEnv): Promise<SessionStore> {
  if (env['REDIS_URL']) return useRedis(env['REDIS_URL']);
  for (const command of candidates) {
    const program = await lookUp(command);
    if (program) return startRedis(program);
  }
  return {
    description: 'in the BFF’s memory, because there is no redis-server or valkey-server here',
    close: async () => {},
  };
}

async function useRedis(url: string): Promise<SessionStore> {
  const { hostname, port } = new URL(url);
  const address = `${hostname}:${port || 6379}`;
  if (!(await isReachable(hostname, Number(port || 6379)))) {
    throw new DemoError(
      `REDIS_URL names ${address}, but nothing answers there. Start it, or unset REDIS_URL.`,
    );
  }
  return { url, description: `Redis at ${address}, from REDIS_URL`, close: async () => {} };
}

function isReachable(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: host.replaceAll(/[[\]]/g, ''), port, timeout: 3000 });
  socket.once('connect', () => resolve(true));
  socket.once('timeout', () => resolve(false));
  socket.once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

async function lookUp(command: string): Promise<Program | undefined> {
  try {
    const { stdout } = await promisify(execFile)(command, ['--version']);
    const [, version = '0'] = /v=(\d+\.\d+\.\d+)/.exec(stdout) ?? [];
    return Number.parseInt(version, 10) >= oldestMajor ? { command, version } : undefined;
  } catch {
    return undefined; // Not installed: the next candidate, or none, does as well.
  }
}

async function startRedis({ command, version }: Program): Promise<SessionStore> {
  const directory = await mkdtemp(join(tmpdir(), 'pixie-demo-'));
  const port = await findFreePort();
  const password = randomBytes(24).toString('hex');
  const child = startChild(command, ['-'], { cwd: directory, stdio: ['pipe', 'pipe', 'inherit'] });
  // The configuration goes in by standard input: a password among the arguments could be read by
  // everyone.
  child.stdin?.end(configuration(port, password, directory));
  const close = async () => {
    await stopChild(child, 2000);
    await rm(directory, { recursive: true, force: true });
  };
  if (!child.stdout || !(await says(child.stdout, 'Ready to accept connections'))) {
    await close();
    throw new DemoError(`${command} does not start. Try it by hand, or set REDIS_URL.`);
  }
  const name = command === 'valkey-server' ? 'Valkey' : 'Redis';
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    description: `${name} ${version}, started for the demo on port ${port}`,
    close,
  };
}

function configuration(port: number, password: string, directory: string): string {
  return [
    `port ${port}`,
    'bind 127.0.0.1',
    `requirepass ${password}`,
    'save ""',
    'appendonly no',
    `dir ${directory}`,
    '',
  ].join('\n');
}

/**
 * Whether a program writes this text before it ends; what it writes afterwards is read and dropped.
 */
function says(output: NodeJS.ReadableStream, text: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const lines = createInterface({ input: output });
  lines.on('line', (line) => line.includes(text) && resolve(true));
  lines.once('close', () => resolve(false));
  return promise;
}
