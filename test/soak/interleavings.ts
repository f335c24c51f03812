import { type Extent, runInterleavings } from '../support/interleavings/interleavings.ts';
import { counts } from '../support/interleavings/commands.ts';
import {
  type RunningReplicas,
  startEnvironment,
  type ReplicaOptions,
} from '../support/interleavings/environment.ts';
import { freePort } from '../support/network/ports.ts';
import { startProcess } from './fleet.ts';
import type { Report } from './report.ts';

/**
 * So many runs are one check, with a seed of its own: what is found in one does not keep the others
 * from running.
 */
const runsInACheck = 1000;

const keyPrefix = 'interleavings:';

/**
 * Sign-ins, calls and logouts in random order at three replicas, on the way to which everything
 * takes its time.
 */
export async function interleavings(report: Report, { runs, seed }: Extent): Promise<void> {
  report.heading(`7. ${runs} random interleavings at ${counts.replicas} replicas, seed ${seed}`);
  await using environment = await startEnvironment(startReplicas);
  for (let first = 0; first < runs; first += runsInACheck) {
    const last = Math.min(first + runsInACheck, runs);
    await report.check(`runs ${first + 1} to ${last}`, async () => {
      const part = { runs: last - first, seed: seed + first / runsInACheck };
      const { summary, failure } = await runInterleavings(environment.system, part);
      if (failure !== undefined) throw new Error(`${summary}\n${failure}`);
      return summary;
    });
  }
}

/** A process for each replica. */
async function startReplicas({
  upstream,
  provider,
  redis,
  logLevel,
}: ReplicaOptions): Promise<RunningReplicas> {
  const ports = await Promise.all(Array.from({ length: counts.replicas }, () => freePort()));
  const processes = await Promise.all(
    ports.map(async (port) =>
      startProcess({
        logLevel,
        publicUrl: `http://localhost:${ports[0]}`,
        server: { port, host: '127.0.0.1' },
        management: { port: await freePort() },
        session: { secrets: ['a session secret for tests, long enough'] },
        redis: { ...redis, keyPrefix },
        providers: [{ id: 'corp', ...provider }],
        routes: [{ path: '/api', upstream: upstream.url }],
      }),
    ),
  );
  const close = async () => {
    await Promise.all(processes.map((process) => process[Symbol.asyncDispose]()));
  };
  return { ports, keyPrefix, close };
}
