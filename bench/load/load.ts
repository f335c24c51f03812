import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../test/support/setup/provision.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const nodeLoad = fileURLToPath(new URL('../peers/node-load.js', import.meta.url));
const wrk = findProgram('wrk');

/**
 * What drives the load: `wrk` where it is installed, which leaves more of the machine to the
 * proxies.
 */
export const loadGenerator = wrk
  ? 'wrk'
  : "Node.js (install wrk, which takes less of the machine's cores)";

/** How many connections a load has that does not say. */
export const usualConnections = 64;

/** One kind of load. */
export interface Load {
  /** Without it: `usualConnections`. */
  readonly connections?: number;
  readonly path: string;
}

/** Whom the load goes to. */
export interface Aim {
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A file with a `Cookie` header a line, sent in turn. Absent: `headers` has the only one. */
  readonly cookiesFile?: string | undefined;
}

/**
 * What came of it. Latencies are microseconds; errors are answers from 400 on and connections that
 * broke.
 */
export interface LoadResult {
  readonly requests: number;
  readonly microseconds: number;
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
}

/**
 * Asks for `path` over so many connections for so many seconds, each connection again as soon as it
 * is answered.
 */
export async function runLoad(load: Load, aim: Aim, seconds: number): Promise<LoadResult> {
  const output = wrk ? await runWrk(wrk, load, aim, seconds) : await runNode(load, aim, seconds);
  const line = /^bench (\{.*\})$/m.exec(output)?.[1];
  if (!line) throw new Error(`The load generator said no figures:\n${output}`);
  return JSON.parse(line) as LoadResult;
}

function runWrk(
  program: string,
  { path, connections = usualConnections }: Load,
  { port, headers, cookiesFile }: Aim,
  seconds: number,
): Promise<string> {
  const script = cookiesFile ? 'bench/load/cycle.lua' : 'bench/load/report.lua';
  return run(program, [
    '--threads=1',
    `--connections=${connections}`,
    `--duration=${seconds}s`,
    '--timeout=30s',
    `--script=${script}`,
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    `http://127.0.0.1:${port}${path}`,
    ...(cookiesFile ? ['--', cookiesFile] : []),
  ]);
}

function runNode(
  { path, connections = usualConnections }: Load,
  aim: Aim,
  seconds: number,
): Promise<string> {
  const configuration = JSON.stringify({ ...aim, path, connections, seconds });
  return run(process.execPath, [nodeLoad, configuration]);
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const output = await text(child.stdout);
  await ended;
  return output;
}
