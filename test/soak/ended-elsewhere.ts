import assert from 'node:assert/strict';
import { call } from './calls.ts';
import { type ScenarioContext, calls as tries } from './scenario-context.ts';
import { acceptingPath, forget } from './backends.ts';
import { quantile, spread } from './report.ts';
import { browserAt, signIn } from './sessions.ts';

/**
 * So many clients keep a session in use at the other replica, each asking again as soon as it has
 * an answer.
 */
const clients = 4;

/** A session in use at one replica that is about to be ended at another. */
export interface HotSession {
  /** A call at the replica that must hear of the end: its status. */
  readonly call: () => Promise<number>;
  /** Signs out at the other replica: its status. */
  readonly signOut: () => Promise<number>;
}

/** Until when an ended session was served, in milliseconds; 0 if it was refused before. */
export interface Refusal {
  /** Since the answer to the logout, from when on nobody may be served. */
  readonly sinceResponse: number;
  /** Since the logout was sent: what the provider did before the answer hides nothing here. */
  readonly sinceRequest: number;
}

/**
 * Signs out and waits until the other replica has refused every client. Throws when a refused
 * session comes back.
 */
export async function refusalOf(session: HotSession): Promise<Refusal> {
  const isServed = async () => {
    const status = await session.call();
    assert(status === 200 || status === 401, `a call was responded with ${status}`);
    return status === 200;
  };
  assert(await isServed(), 'the session was not there');
  const refused = Array.from({ length: clients }, async () => {
    while (await isServed());
    return performance.now();
  });
  const sentAt = performance.now();
  const response = session.signOut().then((status) => {
    assert.equal(status, 200, `the logout was responded with ${status}`);
    return performance.now();
  });
  const [respondedAt, ...refusedAt] = await Promise.all([response, ...refused]);
  assert.equal(await isServed(), false, 'a session that had been refused was served again');
  const lastRefusal = Math.max(...refusedAt);
  return {
    sinceResponse: Math.max(0, lastRefusal - respondedAt),
    sinceRequest: lastRefusal - sentAt,
  };
}

/** The figures that are promised something about, and all of them in words. */
export function figuresOf(refusals: readonly Refusal[]): { p99: number; text: string } {
  const sinceResponse = refusals.map((refusal) => refusal.sinceResponse);
  const sinceRequest = refusals.map((refusal) => refusal.sinceRequest);
  return {
    p99: quantile(sinceResponse, 0.99),
    text: `since the answer to the logout ${spread(sinceResponse)}; since it was sent ${spread(sinceRequest)}`,
  };
}

/** What is promised: a session ended on one replica is refused on all others within 100 ms. */
export const mostMilliseconds = 100;

/** A session that is hot on one replica and ended on another is refused at once. */
export async function endedElsewhere(context: ScenarioContext): Promise<void> {
  const { fleet, backends, report } = context;
  report.heading('6. A session in use on one replica that is ended on another');
  backends.lifetimeSeconds = 60;
  const browser = browserAt(fleet);
  await report.check(`${tries} times`, async () => {
    const refusals: Refusal[] = [];
    while (refusals.length < tries) {
      const { cookie } = await signIn(fleet, backends, browser);
      const signOut = async () => (await browser.fetch('/bff/logout', { method: 'POST' })).status;
      refusals.push(
        await refusalOf({
          call: () => call(fleet.at(1), cookie, { path: acceptingPath }),
          signOut,
        }),
      );
      forget(backends);
    }
    const { p99, text } = figuresOf(refusals);
    assert(p99 <= mostMilliseconds, text);
    return text;
  });
}
