import assert from 'node:assert/strict';
import { type Fleet, startFleet } from './fleet.ts';
import { forget, type Ground, refreshes, startGround, tokensSeen } from './ground.ts';
import type { Report } from './report.ts';

/** Everything a scenario plays on. */
export interface Field {
  readonly ground: Ground;
  readonly fleet: Fleet;
  readonly report: Report;
  /** How often the scenarios with many rounds are repeated; the others take their part of it. */
  readonly rounds: number;
}

/** How many calls come at once. */
export const calls = 1000;

/** Starts four replicas and what they stand on. */
export async function startField(report: Report, rounds: number): Promise<Field> {
  const ground = await startGround();
  return { ground, fleet: await startFleet(ground, 4), report, rounds };
}

/** Ends everything a field started but Redis, which ends with the run. */
export async function closeField({ ground, fleet }: Field): Promise<void> {
  await fleet.close();
  await Promise.all([ground.authorizationServer.close(), ground.upstream.close()]);
}

let round = 0;

/**
 * Begins a round: from here on is counted. Its calls go to the path that is returned, by which they
 * differ from those that hung up in an earlier round and reach the API late.
 */
export function beginRound({ ground }: Field): string {
  forget(ground);
  round += 1;
  return `/api/round-${round}`;
}

/**
 * In this round there was one token request, nothing was refused, and so many access tokens reached
 * the API at its path.
 */
export function assertOneRefresh({ ground }: Field, path: string, accessTokens = 1): void {
  assert.equal(refreshes(ground).length, 1, `${refreshes(ground).length} token requests`);
  assert.deepEqual(ground.refusals, []);
  const { size } = tokensSeen(ground, path);
  assert.equal(size, accessTokens, `${size} access tokens were used`);
}
