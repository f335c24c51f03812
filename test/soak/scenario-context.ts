import assert from 'node:assert/strict';
import { type Fleet, startFleet } from './fleet.ts';
import { forget, type Backends, refreshes, startBackends, tokensSeen } from './backends.ts';
import type { Report } from './report.ts';

/** Everything that a scenario needs. */
export interface ScenarioContext {
  readonly backends: Backends;
  readonly fleet: Fleet;
  readonly report: Report;
  /** How often the scenarios with many rounds are repeated; the others take their part of it. */
  readonly rounds: number;
}

/** How many calls come at once. */
export const calls = 1000;

/** Starts four replicas and what they stand on. */
export async function startContext(report: Report, rounds: number): Promise<ScenarioContext> {
  const backends = await startBackends();
  return { backends, fleet: await startFleet(backends, 4), report, rounds };
}

/** Ends everything a field started but Redis, which ends with the run. */
export async function closeContext({ backends, fleet }: ScenarioContext): Promise<void> {
  await fleet.close();
  await Promise.all([backends.authorizationServer.close(), backends.upstream.close()]);
}

let round = 0;

/**
 * Begins a round: from here on is counted. Its calls go to the path that is returned, by which they
 * differ from those that hung up in an earlier round and reach the API late.
 */
export function beginRound({ backends }: ScenarioContext): string {
  forget(backends);
  round += 1;
  return `/api/round-${round}`;
}

/**
 * In this round there was one token request, nothing was refused, and so many access tokens reached
 * the API at its path.
 */
export function assertOneRefresh(
  { backends }: ScenarioContext,
  path: string,
  accessTokens = 1,
): void {
  assert.equal(refreshes(backends).length, 1, `${refreshes(backends).length} token requests`);
  assert.deepEqual(backends.refusals, []);
  const { size } = tokensSeen(backends, path);
  assert.equal(size, accessTokens, `${size} access tokens were used`);
}
