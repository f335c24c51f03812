/**
 * `npm run fuzz`: the parsers of everything that comes from outside, with inputs that are changed
 * again and again, guided by branch coverage of `src/`. `-- --seconds 600` says how long, `--only
 * cookies` which, and may be said again for others; `--seed` repeats a run, `--keep` adds inputs
 * that reach something new to `test/fuzz/corpus/`. The last line counts what held and what did not.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { countBranches } from './coverage.ts';
import { Finding, fuzz } from './fuzz.ts';

countBranches();
// Imported after `countBranches`, so that the branches are counted.
const { targets } = await import('./targets.ts');

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    only: { type: 'string', multiple: true },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    keep: { type: 'boolean', default: false },
  },
});
const chosen = targets.filter(({ name }) => values.only?.includes(name) ?? true);
const unknown = values.only?.filter((name) => !targets.some((target) => target.name === name));
if (unknown?.length) {
  const names = targets.map(({ name }) => name).join(', ');
  console.log(`fuzz: there is no ${unknown.join(', ')}; there are ${names}`);
}
const seconds = Number(values.seconds) / Math.max(1, chosen.length);
const seed = Number(values.seed);
const corpus = fileURLToPath(new URL('corpus', import.meta.url));
console.log(`fuzz: seed ${seed}, ${seconds.toFixed(1)} s for each of ${chosen.length} targets`);

let failed = unknown?.length ?? 0;
for (const target of chosen) {
  try {
    const { inputs, covered, kept } = await fuzz(target, {
      seconds,
      seed,
      corpus,
      keep: values.keep,
    });
    console.log(`  ok    ${target.name}: ${inputs} inputs, ${covered} branches, ${kept} found`);
  } catch (error) {
    failed += 1;
    console.log(
      `  FAIL  ${target.name}: ${(error as Error).message.replaceAll('\n', '\n        ')}`,
    );
    if (error instanceof Finding) {
      const file = join(mkdtempSync(join(tmpdir(), 'pixie-bff-fuzz-')), target.name);
      writeFileSync(file, error.input);
      console.log(`        the input is in ${file}; put it into test/fuzz/corpus/${target.name}/`);
    }
  }
}
console.log(
  `\nfuzz: ${chosen.length - (failed - (unknown?.length ?? 0))} passed, ${failed} failed`,
);
process.exitCode = failed > 0 ? 1 : 0;
