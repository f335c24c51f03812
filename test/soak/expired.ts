import { inTurn, passOn, slowly } from '../support/upstream/responses.ts';
import { assertAll, burst, call, describe, callWithTimeout } from './calls.ts';
import { assertOneRefresh, beginRound, calls, type ScenarioContext } from './scenario-context.ts';
import { revokeNewestToken } from './backends.ts';
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
const timeoutMilliseconds = 800;

/** A provider that is slow, in milliseconds: longer than a crashed replica is waited for. */
const slow = 5000;

/**
 * However many calls on however many replicas find the access token expired, one token request is
 * made.
 */
export async function expiredEverywhere(context: ScenarioContext): Promise<void> {
  context.report.heading(`1. An expired access token, ${calls} calls at once over 4 replicas`);
  await repeat(context, context.rounds, async ({ cookie }, path) => {
    const { fleet } = context;
    const tally = await burst(calls, (number) => call(fleet.at(number), cookie, { path }));
    assertAll(tally, 200);
    return tally;
  });
}

/**
 * The same when the API refuses an access token before its time: each call is made again, with the
 * one new token.
 */
export async function refusedEverywhere(context: ScenarioContext): Promise<void> {
  const { fleet, backends, report } = context;
  report.heading('1b. An access token the API refuses all of a sudden');
  backends.lifetimeSeconds = 600;
  const { cookie } = await signIn(fleet, backends, browserAt(fleet));
  for (let number = 1; number <= Math.ceil(context.rounds / 5); number += 1) {
    await report.check(`round ${number}`, async () => {
      const path = beginRound(context);
      await call(fleet.at(0), cookie, { path });
      await revokeNewestToken(backends);
      const tally = await burst(calls, (caller) => call(fleet.at(caller), cookie, { path }));
      assertAll(tally, 200);
      assertOneRefresh(context, path, 2);
      return `${describe(tally.outcomes)}, 1 token request, ${tally.milliseconds.toFixed(0)} ms`;
    });
  }
}

/**
 * The same while half of the clients hang up, the one whose call began the refresh perhaps among
 * them.
 */
export async function clientsHangUp(context: ScenarioContext): Promise<void> {
  const { fleet, backends, report, rounds } = context;
  report.heading('2. The same, and every second client hangs up at some moment');
  backends.authorizationServer.override('token', slowly(unhurried, passOn()));
  await repeat(context, rounds, async ({ cookie }, path) => {
    // Those who hang up come first: theirs are the calls that begin the refresh.
    const shortCalls = burst(calls / 2, (number) =>
      callWithTimeout(fleet.at(number), cookie, { path, timeoutMilliseconds }),
    );
    const fullCalls = burst(calls / 2, (number) => call(fleet.at(number), cookie, { path }));
    const [stayed, left] = await Promise.all([fullCalls, shortCalls]);
    assertAll(stayed, 200);
    assertAll(left, 200, 'hung up');
    // Nothing is lost: what the ones that left have begun serves the next one.
    assertAll(await burst(4, (number) => call(fleet.at(number), cookie, { path })), 200);
    return { ...stayed, outcomes: new Map([...left.outcomes, ['stayed', calls / 2]]) };
  });
  backends.authorizationServer.override('token', undefined);
}

/**
 * The same with a provider that answers after five seconds, when a crashed replica's lock would
 * have run out.
 */
export async function slowProvider(context: ScenarioContext): Promise<void> {
  const { fleet, backends, report } = context;
  const rounds = Math.ceil(context.rounds / 10);
  report.heading(`4. The same, and the provider answers after ${slow / 1000} s`);
  backends.lifetimeSeconds = 1;
  const sessions = await signInMany(fleet, backends, rounds);
  backends.lifetimeSeconds = 60;
  for (const [index, session] of sessions.entries()) {
    await report.check(`round ${index + 1}`, async () => {
      await untilExpired(session);
      const path = beginRound(context);
      backends.authorizationServer.override('token', inTurn(slowly(slow, passOn()), passOn()));
      const tally = await burst(calls, (number) =>
        call(fleet.at(number), session.cookie, { path }),
      );
      assertAll(tally, 200);
      assertOneRefresh(context, path);
      return `${describe(tally.outcomes)}, ${tally.milliseconds.toFixed(0)} ms`;
    });
  }
  backends.authorizationServer.override('token', undefined);
}

type Round = (session: SignedIn, path: string) => ReturnType<typeof burst>;

/** Round after round, each with the session whose turn it is, when its access token has expired. */
async function repeat(context: ScenarioContext, rounds: number, round: Round): Promise<void> {
  const { fleet, backends, report } = context;
  backends.lifetimeSeconds = lifetimeSeconds;
  const sessions = await signInMany(fleet, backends, sessionsInTurn);
  const times: number[] = [];
  for (let number = 0; number < rounds; number += 1) {
    const session = sessions[number % sessions.length];
    if (!session) continue;
    await report.check(`round ${number + 1}`, async () => {
      await untilExpired(session);
      const path = beginRound(context);
      const { outcomes, milliseconds } = await round(session, path);
      assertOneRefresh(context, path);
      times.push(milliseconds);
      return `${describe(outcomes)}, 1 token request, ${milliseconds.toFixed(0)} ms`;
    });
    noteRefresh(session, backends);
  }
  if (times.length > 0) report.note(`a round: ${spread(times)}`);
}
