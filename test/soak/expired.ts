import { inTurn, passOn, slowly } from '../support/upstream/responses.ts';
import { assertAll, burst, call, describe, impatientCall } from './calls.ts';
import { assertOneRefresh, beginRound, calls, type Field } from './field.ts';
import { revokeNewestToken } from './ground.ts';
import { spread } from './report.ts';
import {
  browserAt,
  noteRefresh,
  signIn,
  type SignedIn,
  signInMany,
  untilExpired,
} from './sessions.ts';

/** So many sessions take turns, so that one has expired when its turn comes. */
const sessionsInTurn = 12;

/**
 * Long enough for a round on a slow machine, short enough to have passed when a session's turn
 * comes again.
 */
const lifetimeSeconds = 8;

/**
 * The provider takes so long to answer while clients hang up, in milliseconds, so that they hang up
 * meanwhile.
 */
const unhurried = 200;

/** Clients lose their patience within this time, in milliseconds. */
const patience = 800;

/** A provider that is slow, in milliseconds: longer than a crashed replica is waited for. */
const slow = 5000;

/**
 * However many calls on however many replicas find the access token expired, one token request is
 * made.
 */
export async function expiredEverywhere(field: Field): Promise<void> {
  field.report.heading(`1. An expired access token, ${calls} calls at once over 4 replicas`);
  await repeat(field, field.rounds, async ({ cookie }, path) => {
    const { fleet } = field;
    const tally = await burst(calls, (number) => call(fleet.at(number), cookie, { path }));
    assertAll(tally, 200);
    return tally;
  });
}

/**
 * The same when the API refuses an access token before its time: each call is made again, with the
 * one new token.
 */
export async function refusedEverywhere(field: Field): Promise<void> {
  const { fleet, ground, report } = field;
  report.heading('1b. An access token the API refuses all of a sudden');
  ground.lifetimeSeconds = 600;
  const { cookie } = await signIn(fleet, ground, browserAt(fleet));
  for (let number = 1; number <= Math.ceil(field.rounds / 5); number += 1) {
    await report.check(`round ${number}`, async () => {
      const path = beginRound(field);
      await call(fleet.at(0), cookie, { path });
      await revokeNewestToken(ground);
      const tally = await burst(calls, (caller) => call(fleet.at(caller), cookie, { path }));
      assertAll(tally, 200);
      assertOneRefresh(field, path, 2);
      return `${describe(tally.outcomes)}, 1 token request, ${tally.milliseconds.toFixed(0)} ms`;
    });
  }
}

/**
 * The same while half of the clients hang up, the one whose call began the refresh perhaps among
 * them.
 */
export async function clientsHangUp(field: Field): Promise<void> {
  const { fleet, ground, report, rounds } = field;
  report.heading('2. The same, and every second client hangs up at some moment');
  ground.authorizationServer.override('token', slowly(unhurried, passOn()));
  await repeat(field, rounds, async ({ cookie }, path) => {
    // Those who hang up come first: theirs are the calls that begin the refresh.
    const impatient = burst(calls / 2, (number) =>
      impatientCall(fleet.at(number), cookie, { path, patience }),
    );
    const patient = burst(calls / 2, (number) => call(fleet.at(number), cookie, { path }));
    const [stayed, left] = await Promise.all([patient, impatient]);
    assertAll(stayed, 200);
    assertAll(left, 200, 'hung up');
    // Nothing is lost: what the ones that left have begun serves the next one.
    assertAll(await burst(4, (number) => call(fleet.at(number), cookie, { path })), 200);
    return { ...stayed, outcomes: new Map([...left.outcomes, ['stayed', calls / 2]]) };
  });
  ground.authorizationServer.override('token', undefined);
}

/**
 * The same with a provider that answers after five seconds, when a crashed replica's lock would
 * have run out.
 */
export async function slowProvider(field: Field): Promise<void> {
  const { fleet, ground, report } = field;
  const rounds = Math.ceil(field.rounds / 10);
  report.heading(`4. The same, and the provider answers after ${slow / 1000} s`);
  ground.lifetimeSeconds = 1;
  const sessions = await signInMany(fleet, ground, rounds);
  ground.lifetimeSeconds = 60;
  for (const [index, session] of sessions.entries()) {
    await report.check(`round ${index + 1}`, async () => {
      await untilExpired(session);
      const path = beginRound(field);
      ground.authorizationServer.override('token', inTurn(slowly(slow, passOn()), passOn()));
      const tally = await burst(calls, (number) =>
        call(fleet.at(number), session.cookie, { path }),
      );
      assertAll(tally, 200);
      assertOneRefresh(field, path);
      return `${describe(tally.outcomes)}, ${tally.milliseconds.toFixed(0)} ms`;
    });
  }
  ground.authorizationServer.override('token', undefined);
}

type Round = (session: SignedIn, path: string) => ReturnType<typeof burst>;

/** Round after round, each with the session whose turn it is, when its access token has expired. */
async function repeat(field: Field, rounds: number, round: Round): Promise<void> {
  const { fleet, ground, report } = field;
  ground.lifetimeSeconds = lifetimeSeconds;
  const sessions = await signInMany(fleet, ground, sessionsInTurn);
  const times: number[] = [];
  for (let number = 0; number < rounds; number += 1) {
    const session = sessions[number % sessions.length];
    if (!session) continue;
    await report.check(`round ${number + 1}`, async () => {
      await untilExpired(session);
      const path = beginRound(field);
      const { outcomes, milliseconds } = await round(session, path);
      assertOneRefresh(field, path);
      times.push(milliseconds);
      return `${describe(outcomes)}, 1 token request, ${milliseconds.toFixed(0)} ms`;
    });
    noteRefresh(session, ground);
  }
  if (times.length > 0) report.note(`a round: ${spread(times)}`);
}
