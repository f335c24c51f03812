/**
 * `npm run bench`: the built server beside a bare proxy and its peers, everything measured in one
 * run. `--only calls` takes one row, `--contenders bare,pixie` some proxies, `--seconds 5` and
 * `--rounds 5` say how long; `--quick` is for a first look, `--write` puts the results into
 * bench/README.md.
 */
import { parseArgs } from 'node:util';
import { endRun, runDirectory } from '../test/support/setup/run-directory.ts';
import { type Bench, type Extent, recipes, startBench } from './bench.ts';
import { writeResults, describeMachine } from './readme.ts';
import { report } from './report.ts';
import { Results } from './results.ts';
import { measureLargeBodies } from './rows/large-bodies.ts';
import { loadRows, measureLoad } from './rows/loads.ts';
import { measureSignIns } from './rows/sign-ins.ts';
import { measureStart } from './rows/start.ts';
import { measureWebSockets } from './rows/web-sockets.ts';

const everybody = recipes.map(({ name }) => name).join(',');
const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    contenders: { type: 'string', default: everybody },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

interface Row {
  readonly name: string;
  readonly measure: (bench: Bench, results: Results) => Promise<void>;
}

/**
 * The start first, on a machine that does nothing else yet, and WebSockets last: each contender's
 * take ten thousand ports, some of which stay taken for a minute.
 */
const rows = (extent: Extent): readonly Row[] => [
  { name: 'start', measure: measureStart },
  ...loadRows(extent.sessions).flatMap((row): Row[] => {
    const measure: Row['measure'] = (bench, results) => measureLoad(row, bench, results);
    const isFirstWithSessions = row.name === 'sessions-stored';
    return [...(isFirstWithSessions ? beforeSessions : []), { name: row.name, measure }];
  }),
  { name: 'web-sockets', measure: measureWebSockets },
];

/** Before there are many sessions. */
const beforeSessions: readonly Row[] = [
  { name: 'large-bodies', measure: measureLargeBodies },
  { name: 'sign-ins', measure: measureSignIns },
];

const usual: Extent = {
  rounds: 5,
  seconds: 4,
  warmUp: 10,
  sessions: 100_000,
  webSockets: 5000,
  largeBody: 1024 ** 3,
};
const quick: Extent = {
  rounds: 3,
  seconds: 1,
  warmUp: 3,
  sessions: 5000,
  webSockets: 500,
  largeBody: 256 * 1024 ** 2,
};

runDirectory();
// Redis and every proxy end with this process, also when it ends early.
process.once('exit', endRun);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const extent = { ...(values.quick ? quick : usual), ...given('rounds'), ...given('seconds') };
const wanted = chosen(rows(extent));
const bench = await startBench(extent, values.contenders.split(','));
const results = new Results();
for (const line of bench.notRun) console.error(line);
for (const row of wanted) {
  console.error(`measuring ${row.name} …`);
  await row
    .measure(bench, results)
    .catch((error: unknown) => console.error(`${row.name} failed:`, error));
}
const text = `${describeMachine(new Date())}\n\n${report(bench, results)}`;
console.log(`\n${text}`);
if (values.write) writeResults(text);
await bench.close();
process.exit(0);

function given(name: 'rounds' | 'seconds'): Partial<Extent> {
  const value = Number(values[name]);
  return value > 0 ? { [name]: value } : {};
}

function chosen(all: readonly Row[]): readonly Row[] {
  const { only } = values;
  if (!only) return all;
  const names = all.map(({ name }) => name);
  const unknown = only.filter((name) => !names.includes(name));
  if (unknown.length === 0) return all.filter(({ name }) => only.includes(name));
  console.error(`There is no row ${unknown.join(', ')}; there are: ${names.join(', ')}.`);
  process.exit(1);
}
