import { asyncProperty, check } from 'fast-check';
import { describePlan, runPlans } from './commands.ts';
import { Interleaving } from './run.ts';
import type { SystemUnderTest } from './environment.ts';

/** How many runs, and from which seed. */
export interface Extent {
  readonly runs: number;
  /**
   * The same seed plays the same commands at the same pace; which of them is first remains the
   * machine's affair.
   */
  readonly seed: number;
}

/**
 * How often a smaller run is played before it is believed that it does not fail: what is a race
 * fails now and then.
 */
const triesWhenShrinking = 8;

/** After a failure smaller ones are looked for this long, in milliseconds. */
const longestShrinking = 30_000;

/** The extent that `INTERLEAVINGS_RUNS` and `INTERLEAVINGS_SEED` say. */
export function extentFrom(env: NodeJS.ProcessEnv, usualRuns: number): Extent {
  const { INTERLEAVINGS_RUNS: runs = usualRuns, INTERLEAVINGS_SEED: seed } = env;
  const random = Math.floor(Math.random() * 2 ** 31);
  return { runs: Number(runs), seed: seed === undefined ? random : Number(seed) };
}

/** What came of all runs. */
export interface Outcome {
  readonly summary: string;
  /** What failed, in the smallest run found in which it does. Absent: nothing. */
  readonly failure?: string;
}

/** Plays random runs until one fails. */
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
