import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { v8Flags } from '../src/server/v8-flags.ts';
import { loadGenerator } from './load/load.ts';
import { shown } from './table.ts';

const file = new URL('./README.md', import.meta.url);
const begin = '<!-- results: written by npm run bench -- --write -->';
const end = '<!-- end of results -->';

/** One sentence about where and when this was measured. */
export function describeMachine(now: Date): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'an unknown processor';
  const memory = shown(totalmem() / 1024 ** 3);
  const load = loadGenerator;
  const flags = v8Flags.map((flag) => `\`${flag}\``).join(', ');
  const machine = `${processors.length} cores (${model}), ${memory} GiB, ${type()} ${release()}`;
  return (
    `Measured ${now.toISOString().slice(0, 10)} on ${machine}, ` +
    `Node.js ${process.versions.node}; load by ${load}. ` +
    'Everything, the load included, shares these cores. ' +
    `The bare proxy and the BFF run with the same flags of V8: ${flags}.`
  );
}

/** Puts these results in the place of the last ones in `bench/README.md`. */
export function writeResults(results: string): void {
  const text = readFileSync(file, 'utf8');
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error('The marks are gone from bench/README.md.');
  writeFileSync(file, `${before}${begin}\n\n${results}\n\n${end}${after}`);
}
