import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The first of these programs on the `PATH`, as an absolute path. */
export function findProgram(...names: readonly string[]): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  return names
    .flatMap((name) => directories.map((directory) => join(directory, name)))
    .find(isExecutable);
}

/**
 * Where `redis-server` or `valkey-server` is; on Debian, as root, it is installed first if need be.
 */
export async function findRedisServer(): Promise<string> {
  const program = await findOrInstall(['redis-server', 'valkey-server'], 'redis-server');
  if (program) return program;
  throw new Error(
    'The tests need a real Redis: set REDIS_URL, or install redis-server or valkey-server ' +
      '(apt-get install redis-server, brew install redis), or run one with ' +
      '"docker run -p 6379:6379 redis:8-alpine" and set REDIS_URL=redis://127.0.0.1:6379.',
  );
}

/**
 * Where Chromium or Chrome is; on Debian, as root, it is installed first if need be. Undefined when
 * it cannot be had.
 */
export async function findChromium(): Promise<string | undefined> {
  const chosen = process.env['CHROMIUM_PATH'];
  if (chosen) return isExecutable(chosen) ? chosen : undefined;
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
  if (existsSync(mac)) return mac;
  return findOrInstall(names, 'chromium');
}

async function findOrInstall(
  names: readonly string[],
  debianPackage: string,
): Promise<string | undefined> {
  const found = findProgram(...names);
  if (found || !canInstall()) return found;
  try {
    await installOnDebian(debianPackage);
  } catch (error) {
    console.warn(`${debianPackage} could not be installed: ${reasonOf(error)}`);
  }
  return findProgram(...names);
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version');
}

// Debian starts a service as soon as it is installed, unless policy-rc.d forbids it; RUNLEVEL=1
// says the same to packages that ask for the run level. An existing policy is the machine's own
// affair.
async function installOnDebian(name: string): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  const script = `set -e
    ${isOurs ? `trap 'rm -f ${policy}' EXIT; printf '#!/bin/sh\\nexit 101\\n' > ${policy}; chmod +x ${policy}` : ''}
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends ${name}`;
  console.info(`Installing ${name} for the tests.`);
  await run('sh', ['-c', script], { env, maxBuffer: 64 * 1024 * 1024, timeout: 10 * 60_000 });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

// A failed command's own last words are on its standard error.
function reasonOf(error: unknown): string {
  const { stderr = '', message = '' } = error as { stderr?: string; message?: string };
  return (stderr.trim() || message).split('\n').at(-1) ?? '';
}
