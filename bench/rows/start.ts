import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { writeConfig } from '../../test/support/bff/built-server.ts';
import { freePort } from '../../test/support/network/ports.ts';
import { forgetProcess, noteProcess } from '../../test/support/setup/run-directory.ts';
import type { Bench } from '../bench.ts';
import { builtServer, pixieOptions } from '../contenders/pixie.ts';
import { peer } from '../backends.ts';
import { usageOf } from '../process-tree.ts';
import type { Results } from '../results.ts';
import { median } from '../sample.ts';

/**
 * From the start of the process to `listening`: the built server, the same when nothing compiled
 * was kept of an earlier start, and NestJS with nothing in it. In turn, like the loads.
 */
export async function measureStart({ backends, rounds }: Bench, results: Results): Promise<void> {
  const all: Record<string, Start[]> = { pixie: [], first: [], nest: [], node: [] };
  for (let round = -1; round < Math.max(rounds, 5); round += 1) {
    const file = writeConfig(pixieOptions(backends, await freePort(), await freePort()));
    const starts = {
      pixie: await timeToListening([...builtServer, '--config', file]),
      first: await timeToListening([...builtServer, '--config', file], {
        NODE_DISABLE_COMPILE_CACHE: '1',
      }),
      nest: await timeToListening([peer('empty-nest.js'), String(await freePort())]),
      node: await timeToListening([
        '--eval',
        'console.log("listening"); setInterval(() => {}, 1000)',
      ]),
    };
    // The first of each reads the files from the disk, and the server keeps what it compiled.
    if (round >= 0) for (const [name, start] of Object.entries(starts)) all[name]?.push(start);
  }
  for (const [name, starts] of Object.entries(all)) {
    results.note(`start ${name}`, median(starts.map(({ elapsed }) => elapsed)));
    results.note(`start cpu ${name}`, median(starts.map(({ cpu }) => cpu)));
  }
}

/**
 * What a start took, in milliseconds: of the clock, and of a processor, which is hurt less by
 * neighbours.
 */
interface Start {
  readonly elapsed: number;
  readonly cpu: number;
}

/** Starts a program, waits until it has printed a line with `listening`, and ends it. */
async function timeToListening(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Start> {
  const start = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production', ...env },
  });
  const ended = once(child, 'exit');
  noteProcess(child.pid ?? 0);
  let taken = { elapsed: NaN, cpu: NaN };
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('listening')) continue;
    const elapsed = performance.now() - start;
    taken = { elapsed, cpu: usageOf(child.pid ?? 0).cpu / 1000 };
    break;
  }
  child.kill('SIGTERM');
  await ended;
  forgetProcess(child.pid ?? 0);
  return taken;
}
