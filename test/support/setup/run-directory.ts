import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const variable = 'PIXIE_TEST_DIRECTORY';

/**
 * The directory of this test run: certificates, Redis' working files, and a note of every process
 * that was started.
 */
export function runDirectory(): string {
  const known = process.env[variable];
  if (known) return known;
  const created = mkdtempSync(join(tmpdir(), 'pixie-bff-test-'));
  mkdirSync(join(created, 'processes'));
  process.env[variable] = created;
  return created;
}

/** Notes that a process was started, so that it can be ended should its test forget to. */
export function noteProcess(pid: number): void {
  writeFileSync(noteOf(pid), '');
}

/** Forgets a process that has ended. */
export function forgetProcess(pid: number): void {
  rmSync(noteOf(pid), { force: true });
}

/** Ends every process that is still noted, and removes the directory. */
export function endRun(): void {
  const directory = runDirectory();
  for (const pid of readdirSync(join(directory, 'processes'))) killQuietly(Number(pid));
  rmSync(directory, { recursive: true, force: true });
  delete process.env[variable];
}

// One that has ended by itself leaves its note behind; there is nothing to do for it.
function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function noteOf(pid: number): string {
  return join(runDirectory(), 'processes', String(pid));
}
