import { asyncProperty, check } from 'fast-check';
import { describePlan, runPlans } from './commands.ts';
import { Interleaving } from './run.ts';
import type { SystemUnderTest } from './environment.ts';

/** The number of runs and their seed. */
export interface Extent {
  readonly runs: number;
  /**
   * The same seed gives the same commands and delays. Which command is first still depends on the
   * machine.
   */
  readonly seed: number;
}

/**
 * How often a smaller run is repeated before it counts as passing: a race fails only now and then.
 */
const triesWhenShrinking = 8;

/** How long smaller failing runs are looked for after a failure, in milliseconds. */
const longestShrinking = 30_000;

/** Reads the extent from `INTERLEAVINGS_RUNS` and `INTERLEAVINGS_SEED`. */
export function extentFrom(env: NodeJS.ProcessEnv, usualRuns: number): Extent {
  const { INTERLEAVINGS_RUNS: runs = usualRuns, INTERLEAVINGS_SEED: seed } = env;
  const random = Math.floor(Math.random() * 2 ** 31);
  return { runs: Number(runs), seed: seed === undefined ? random : Number(seed) };
}

/** The result of all runs. */
export interface Outcome {
  readonly summary: string;
  /** The failure, with the smallest run found that has it. Undefined when no run failed. */
  readonly failure?: string;
}

/** Runs random interleavings until one fails. */
export async function runInterleavings(
  system: SystemUnderTest,
  { runs, seed }: Extent,
): Promise<Outcome> {
  let count = 0;
  let failedAt: number | undefined;
  const start = performance.now();
  const property = asyncProperty(runPlans, async (plan) => {
    if (failedAt !== undefined && performance.now() - failedAt > longestShrinking) return;
    const tries = failedAt === undefined ? 1 : triesWhenShrinking;
    for (let left = tries; left > 0; left -= 1) {
      count += 1;
      try {
        await new Interleaving(system, plan, `run-${seed}-${count}`).run();
      } catch (error) {
        failedAt ??= performance.now();
        throw error;
      }
    }
  });
  const { failed, counterexample, numRuns, errorInstance } = await check(property, {
    numRuns: runs,
    seed,
  });
  const seconds = ((failedAt ?? performance.now()) - start) / 1000;
  const speed = `${seconds.toFixed(1)} s, ${(numRuns / seconds).toFixed(1)} a second`;
  const summary = `${numRuns} of ${runs} runs, INTERLEAVINGS_SEED=${seed}: ${speed}`;
  if (!failed) return { summary };
  const plan = counterexample?.[0];
  const reason = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  const smallest = plan ? describePlan(plan) : 'unknown';
  return {
    summary,
    failure: `${reason}\nThe smallest run found in which this is so:\n${smallest}`,
  };
}
