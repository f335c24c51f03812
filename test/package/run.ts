/**
 * `npm run test:package`: packs the package as `npm publish` would, installs it into a copy of
 * `examples/nest-host`, and builds and tests the copy. `--keep` leaves the copy in place.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const example = join(root, 'examples', 'nest-host');
const directory = mkdtempSync(join(tmpdir(), 'pixie-bff-package-'));
const copy = join(directory, 'nest-host');

try {
  cpSync(example, copy, {
    recursive: true,
    filter: (path) => !/[\\/](node_modules|dist)$/.test(path),
  });
  const packed = npm(root, 'pack', '--ignore-scripts', '--pack-destination', directory);
  const tarball = packed && readdirSync(directory).find((name) => name.endsWith('.tgz'));
  const passed =
    tarball !== undefined &&
    tarball !== false &&
    npm(
      copy,
      'install',
      '--no-audit',
      '--no-fund',
      '--no-package-lock',
      join(directory, tarball),
    ) &&
    npm(copy, 'test');
  console.log(`test:package: ${passed ? '1 passed, 0 failed' : '0 passed, 1 failed'}`);
  if (!passed) process.exitCode = 1;
} finally {
  if (process.argv.includes('--keep')) console.log(copy);
  else rmSync(directory, { recursive: true });
}

/** Whether npm succeeded. */
function npm(cwd: string, ...args: string[]): boolean {
  return spawnSync('npm', args, { cwd, stdio: 'inherit' }).status === 0;
}
