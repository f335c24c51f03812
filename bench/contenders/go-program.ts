import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../test/support/setup/provision.ts';

/** A program on the `PATH`, or where `go install` puts it. */
export function goProgram(name: string): string | undefined {
  const installed = join(process.env['GOPATH'] ?? join(homedir(), 'go'), 'bin', name);
  return findProgram(name) ?? (existsSync(installed) ? installed : undefined);
}
