/**
 * `npm run test:interop`: the built server with authorization servers that others wrote, each a
 * process of its own on loopback, one after the other. `--only keycloak` runs one, and may be said
 * again for others; `--write` puts the table into docs/providers.md. What this machine cannot get
 * is named, and is no failure. The last line counts the steps.
 */
import { parseArgs } from 'node:util';
import { freePort } from '../support/network/ports.ts';
import { startRedis } from '../support/redis/server.ts';
import { endRun, runDirectory } from '../support/setup/run-directory.ts';
import { startUpstream } from '../support/upstream/upstream.ts';
import { type Candidate, NotHere, type Program } from './candidate.ts';
import type { Backends } from './setup.ts';
import { dex } from './servers/dex.ts';
import { glewlwyd } from './servers/glewlwyd.ts';
import { hydra } from './servers/hydra.ts';
import { keycloak } from './servers/keycloak.ts';
import { oidcProvider } from './servers/oidc-provider.ts';
import { runFrontchannelStep, runRolesStep, runSteps, type Step } from './steps.ts';
import { type Absence, type Row, tableOf, writeTable } from './table.ts';

const candidates = [keycloak, hydra, dex, glewlwyd, oidcProvider];
const page = new URL('../../docs/providers.md', import.meta.url);

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, write: { type: 'boolean' } },
});
if (values.only && values.write)
  throw new Error('--write is for the whole table: leave --only out');
const isChosen = ({ name }: Candidate) =>
  values.only?.some((chosen) => name.toLowerCase().includes(chosen.toLowerCase())) ?? true;

runDirectory();
// Whatever was started ends with this process, also when it ends early.
process.once('exit', endRun);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const rows: Row[] = [];
const absences: Absence[] = [];
const publicUrl = `http://localhost:${await freePort()}`;
const upstream = await startUpstream();

for (const candidate of candidates.filter(isChosen)) {
  const program = await provide(candidate);
  if (program) rows.push(await meet(candidate.name, program));
}

const table = tableOf(rows, absences);
console.log(`\n${table}\n`);
if (values.write) writeTable(page, table);
const all = rows.flatMap((row) => [...row.outcomes.values()]);
const failed = all.filter((outcome) => outcome === 'failed').length;
console.log(`${all.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 || (rows.length === 0 && absences.length === 0) ? 1 : 0);

async function provide(candidate: Candidate): Promise<Program | undefined> {
  try {
    return await candidate.provide();
  } catch (error) {
    if (!(error instanceof NotHere)) throw error;
    console.log(`${candidate.name}: NOT RUN, ${error.message}`);
    absences.push({ name: candidate.name, reason: error.message });
    return undefined;
  }
}

async function meet(name: string, program: Program): Promise<Row> {
  const outcomes = new Map<Step, 'held' | 'failed'>();
  const report = (step: Step, failure?: unknown) => {
    outcomes.set(step, failure === undefined ? 'held' : 'failed');
    console.log(`${name} ${program.version}: ${step} ${failure === undefined ? 'held' : 'FAILED'}`);
    if (failure !== undefined) console.error(failure);
  };
  await using redis = await disposableRedis();
  const backends: Backends = { redis, upstream, publicUrl };
  try {
    await using running = await program.start({ publicUrl, port: await freePort() });
    await runSteps(running, backends, report);
    await runFrontchannelStep(running, backends, report);
    await runRolesStep(running, backends, report);
  } catch (error) {
    // It did not even come to the first step.
    report('sign-in', error);
  }
  return { name, version: program.version, outcomes };
}

async function disposableRedis() {
  const redis = await startRedis();
  return Object.assign(redis, { [Symbol.asyncDispose]: () => redis.stop() });
}
