import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findProgram } from '../support/setup/provision.ts';
import { NotHere } from './candidate.ts';

const execute = promisify(execFile);
const modules = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));

/**
 * A directory for what is downloaded or built once: below `XDG_CACHE_HOME`, else below
 * `node_modules/.cache`.
 */
export function cacheDirectory(name: string): string {
  const home = process.env['XDG_CACHE_HOME'];
  const root = home ? join(home, 'pixie-bff', 'interop') : join(modules, 'interop');
  const directory = join(root, name);
  mkdirSync(directory, { recursive: true });
  return directory;
}

/**
 * Runs a program of the machine to its end, with patience and politeness, and gives what it
 * printed.
 */
export async function runTool(
  program: string,
  args: readonly string[],
  { cwd, env = {} }: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<string> {
  const { stdout } = await execute('nice', ['-n', '10', program, ...args], {
    cwd,
    env: { ...process.env, ...env },
    timeout: 20 * 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** Where a program of the machine is; `NotHere` with how to get it when it is missing. */
export function need(name: string, how: string): string {
  const program = findProgram(name);
  if (!program) throw new NotHere(`there is no ${name} on the PATH (${how})`);
  return program;
}

/** Refuses a file that is not exactly the one that was pinned. */
export async function checkSha256(file: string, expected: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  const found = hash.digest('hex');
  if (found !== expected) throw new Error(`${file} has the SHA-256 ${found}, not ${expected}`);
}

/**
 * Makes a file once: runs the recipe only where the file is not there yet. `NotHere` when the
 * recipe fails.
 */
export async function made(file: string, recipe: () => Promise<void>): Promise<string> {
  if (existsSync(file)) return file;
  try {
    await recipe();
  } catch (error) {
    if (error instanceof NotHere) throw error;
    const { stderr, message } = error as { stderr?: string; message: string };
    const lines = (stderr?.trim() || message).split('\n');
    throw new NotHere(`it could not be fetched or built: ${lines.at(-1)}`, { cause: error });
  }
  return file;
}
