import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { writeConfig } from '../../test/support/built-server.ts';
import { freePort } from '../../test/support/ports.ts';
import { forgetProcess, noteProcess } from '../../test/support/run-directory.ts';
import type { Bench } from '../bench.ts';
import { builtServer, pixieOptions } from '../contenders/pixie.ts';
import { peer } from '../ground.ts';
import type { Results } from '../results.ts';
import { median } from '../sample.ts';

/** From the start of the process to `listening`: the built server, and NestJS with nothing in it. In turn, like the loads. */
export async function measureStart({ ground, rounds }: Bench, results: Results): Promise<void> {
  const [server, empty, node]: number[][] = [[], [], []];
  for (let round = -1; round < Math.max(rounds, 5); round += 1) {
    const file = writeConfig(pixieOptions(ground, await freePort(), await freePort()));
    const times = [
      await timeToListening([builtServer, '--config', file]),
      await timeToListening([peer('empty-nest.js'), String(await freePort())]),
      await timeToListening(['--eval', 'console.log("listening")']),
    ] as const;
    // The first of each reads the files from the disk.
    if (round >= 0) [server, empty, node].forEach((all, index) => all?.push(times[index] ?? NaN));
  }
  results.note('start pixie', median(server ?? []));
  results.note('start nest', median(empty ?? []));
  results.note('start node', median(node ?? []));
}

/** Milliseconds until it has printed a line with `listening`. */
async function timeToListening(args: readonly string[]): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production' },
  });
  const ended = once(child, 'exit');
  noteProcess(child.pid ?? 0);
  let elapsed = NaN;
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('listening')) continue;
    elapsed = performance.now() - start;
    break;
  }
  child.kill('SIGKILL');
  await ended;
  forgetProcess(child.pid ?? 0);
  return elapsed;
}
