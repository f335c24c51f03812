/**
 * `npm run test:compose`: builds and starts docker-compose.yml for real, signs in through it in a
 * browser, and takes it down again. Where no Docker engine answers, one line says so, and nothing
 * is run. `DEMO_PORT` and `DEMO_AUTH_PORT` move it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { addNote, errorsOf, showsAda, signIn, signOut } from '../browser/demo-page.ts';
import { findChromium } from '../support/setup/provision.ts';

const url = `http://localhost:${process.env['DEMO_PORT'] ?? 8080}`;
const startTime = 120_000;

const compose = findCompose();
if (!compose) {
  console.log(
    'test:compose was not run: no Docker engine answers here, or docker compose is missing.',
  );
} else {
  try {
    docker('up', '--build', '--detach');
    await waitUntilReachable();
    await signInThroughContainers();
    checkContainers();
    console.log('test:compose: 1 passed, 0 failed');
  } catch (error) {
    console.error(error);
    docker('logs', '--tail', '50');
    process.exitCode = 1;
  } finally {
    docker('down', '--volumes', '--timeout', '10');
  }
}

function findCompose(): readonly string[] | undefined {
  if (!succeeds('docker', 'info')) return undefined;
  if (succeeds('docker', 'compose', 'version')) return ['docker', 'compose'];
  return succeeds('docker-compose', 'version') ? ['docker-compose'] : undefined;
}

function succeeds(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args).status === 0;
}

function docker(...args: readonly string[]): string {
  const [command = '', ...first] = compose ?? [];
  const { status, stdout } = spawnSync(command, [...first, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (args[0] !== 'ps') process.stdout.write(stdout);
  assert.equal(status, 0, `${command} ${args.join(' ')} failed`);
  return stdout;
}

async function waitUntilReachable(): Promise<void> {
  const deadline = Date.now() + startTime;
  while (Date.now() < deadline) {
    const response = await fetch(`${url}/bff/user`, { headers: { 'X-CSRF': '1' } }).catch(() => {});
    if (response?.ok) return;
    await setTimeout(500);
  }
  throw new Error(`${url} did not answer within ${startTime / 1000} seconds`);
}

async function signInThroughContainers(): Promise<void> {
  const executablePath = await findChromium();
  assert(executablePath, 'this test needs Chromium: set CHROMIUM_PATH or install it');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    const errors = errorsOf(page);
    await page.goto(url);
    await signIn(page);
    await addNote(page, 'from a container');
    await page.reload();
    await showsAda(page);
    await signOut(page);
    assert.deepEqual(errors, []);
  } finally {
    await browser.close();
  }
}

/**
 * The product's container is what it should be: healthy, not root, without development
 * dependencies.
 */
function checkContainers(): void {
  assert.equal(docker('exec', '-T', 'bff', 'id', '-un').trim(), 'node');
  const tools = docker(
    'exec',
    '-T',
    'bff',
    'sh',
    '-c',
    'ls node_modules | grep -cE "^(jest|oidc-provider|typescript)$" || true',
  );
  assert.equal(tools.trim(), '0');
}
