/**
 * `npm run soak`: what no short test can prove, against four processes of the built server.
 * `--rounds 50` says how often, `--runs 10000` how many interleavings, `--seed` which; `--only
 * holderKilled` runs one scenario, and may be repeated for others. The last line counts what
 * held and what did not.
 */
import { parseArgs } from 'node:util';
import { extentFrom } from '../support/interleavings/interleavings.ts';
import { endRun, runDirectory } from '../support/setup/run-directory.ts';
import { takeWarnings } from './warnings.ts';
import { endedElsewhere } from './ended-elsewhere.ts';
import { clientsHangUp, expiredEverywhere, refusedEverywhere, slowProvider } from './expired.ts';
import { closeContext, startContext } from './scenario-context.ts';
import { hammered } from './hammered.ts';
import { responseLost, holderKilled, holderStopped } from './lost-holder.ts';
import { interleavings } from './interleavings.ts';
import { Report } from './report.ts';

const scenarios = [
  expiredEverywhere,
  refusedEverywhere,
  clientsHangUp,
  holderKilled,
  responseLost,
  holderStopped,
  slowProvider,
  hammered,
  endedElsewhere,
];

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    only: { type: 'string', multiple: true },
    runs: { type: 'string' },
    seed: { type: 'string' },
  },
});
const isChosen = ({ name }: { readonly name: string }) => values.only?.includes(name) ?? true;
runDirectory();
// Redis and every replica end with this process, also when it ends early.
process.once('exit', endRun);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const report = new Report();
const start = performance.now();
if (scenarios.some(isChosen)) {
  const context = await startContext(report, Number(values.rounds));
  for (const scenario of scenarios.filter(isChosen)) {
    await scenario(context).catch((error: unknown) => report.fail(scenario.name, error));
    for (const warning of takeWarnings(context.fleet)) report.note(`logged: ${warning}`);
  }
  await closeContext(context);
}
if (isChosen(interleavings)) {
  const { runs, seed } = values;
  const extent = extentFrom({ INTERLEAVINGS_RUNS: runs, INTERLEAVINGS_SEED: seed }, 10_000);
  await interleavings(report, extent).catch((error: unknown) =>
    report.fail(interleavings.name, error),
  );
}
console.log(`\nsoak: it took ${Math.round((performance.now() - start) / 1000)} s`);
console.log(`soak: ${report.summary}`);
process.exitCode = report.hasFailed ? 1 : 0;
