import assert from 'node:assert/strict';
import { assertAll, burst, call, describe, persistentCall, type Tally } from './calls.ts';
import { assertOneRefresh, beginRound, calls, type ScenarioContext } from './scenario-context.ts';
import type { Replica } from './fleet.ts';
import { type Backends, refreshes } from './backends.ts';
import { spread } from './report.ts';
import { browserAt, signIn, type SignedIn, signInMany, untilExpired } from './sessions.ts';
import { waitFor } from '../support/time/wait-for.ts';

/**
 * A crashed holder's lock runs out after three seconds; the rest is for the calls themselves, on a
 * slow machine.
 */
const mostMilliseconds = 6000;

/**
 * The replica at the token endpoint dies before the provider has looked at its request: the others
 * go on without it.
 */
export async function holderKilled(context: ScenarioContext): Promise<void> {
  context.report.heading(
    '3. The same, and SIGKILL for the replica whose token request is on its way',
  );
  const times: number[] = [];
  await repeat(context, Math.ceil(context.rounds / 5), async (session) => {
    const { holder, tally, milliseconds } = await killHolder(context, session, 'unread');
    assertAll(tally, 200);
    assert(milliseconds < mostMilliseconds, `${milliseconds} ms after the kill`);
    const sent = refreshes(context.backends).length;
    assert.equal(sent, 2, `${sent} token requests, and not the lost one and another`);
    assert.deepEqual(context.backends.refusals, []);
    times.push(milliseconds);
    return `${describe(tally.outcomes)}, ${milliseconds.toFixed(0)} ms after the end of ${holder.port}`;
  });
  if (times.length > 0) context.report.note(`from the kill to the last answer: ${spread(times)}`);
}

/**
 * The same when the provider has rotated the refresh token already: the new one is lost with the
 * process. A provider that takes a spent token for a stolen one ends the grant, and nothing we
 * could do keeps the user signed in. What happens is told; it must be clean, and the user can sign
 * in again.
 */
export async function responseLost(context: ScenarioContext): Promise<void> {
  const { fleet, backends, report } = context;
  report.heading('3b. The same, and the provider has rotated the refresh token by then (observed)');
  await repeat(context, Math.ceil(context.rounds / 25), async (session) => {
    const { tally, milliseconds } = await killHolder(context, session, 'answered');
    assertAll(tally, 200, 401);
    const summary = `${describe(tally.outcomes)}, ${milliseconds.toFixed(0)} ms after the kill; the provider: ${backends.refusals.join(', ') || 'no objection'}`;
    const { cookie } = await signIn(fleet, backends, browserAt(fleet));
    assert.equal(await call(fleet.at(0), cookie), 200);
    return `${summary}; a new sign-in works`;
  });
}

/**
 * A replica that is asked to stop, as every deployment does, while it refreshes for clients who
 * have hung up meanwhile. It must not go before the new refresh token is stored.
 */
export async function holderStopped(context: ScenarioContext): Promise<void> {
  const { fleet, backends, report } = context;
  report.heading(
    '3c. SIGTERM for the replica whose token request is at the provider; its client is gone',
  );
  await repeat(context, Math.ceil(context.rounds / 10), async ({ cookie }, path) => {
    const held = holdRefresh(backends, 'answered');
    const abort = new AbortController();
    const gone = call(fleet.at(1), cookie, { signal: abort.signal }).catch(() => 'hung up');
    const holder = fleet.makerOf(await held.before(gone));
    abort.abort();
    assert.equal(await gone, 'hung up');
    const { gone: exit } = holder.stop();
    await waitFor(() => refuses(holder));
    held.release();
    const { code } = await exit;
    await holder.start();
    assert.equal(code, 0, `exit code ${code}`);
    const tally = await burst(4, (number) => call(fleet.at(number), cookie, { path }));
    const [lost] = backends.refusals;
    assert(!lost, `a refresh token was lost: ${describe(tally.outcomes)}, ${lost}`);
    assertAll(tally, 200);
    assertOneRefresh(context, path);
    return describe(tally.outcomes);
  });
}

type Round = (session: SignedIn, path: string) => Promise<string>;

/** So many rounds, each with an expired session of its own. */
async function repeat(context: ScenarioContext, rounds: number, round: Round): Promise<void> {
  const { fleet, backends, report } = context;
  backends.lifetimeSeconds = 1;
  const sessions = await signInMany(fleet, backends, rounds);
  backends.lifetimeSeconds = 60;
  for (const [index, session] of sessions.entries()) {
    await untilExpired(session);
    const path = beginRound(context);
    await report.check(`round ${index + 1}`, () => round(session, path));
  }
}

interface Loss {
  readonly holder: Replica;
  readonly tally: Tally;
  /** From the kill to the last answer. */
  readonly milliseconds: number;
}

/**
 * Calls from everywhere, of which those at the killed replica are made again elsewhere; then a new
 * one takes its place.
 */
async function killHolder(
  { fleet, backends }: ScenarioContext,
  { cookie }: SignedIn,
  when: 'unread' | 'answered',
): Promise<Loss> {
  const held = holdRefresh(backends, when);
  const calling = burst(calls, (number) => persistentCall(fleet, fleet.at(number), cookie));
  const holder = fleet.makerOf(await held.before(calling));
  const killedAt = performance.now();
  await holder.kill();
  const tally = await calling;
  const milliseconds = performance.now() - killedAt;
  await holder.start();
  return { holder, tally, milliseconds };
}

interface Held {
  /**
   * Where the refresh came from, once it is there. Throws if these calls have an answer without it.
   */
  before(calling: Promise<unknown>): Promise<number | undefined>;
  release(): void;
}

/**
 * Keeps the answer to the next refresh, before the provider looks at it or after. Later ones are
 * answered as usual.
 */
function holdRefresh({ authorizationServer }: Backends, when: 'unread' | 'answered'): Held {
  const arrived = Promise.withResolvers<number | undefined>();
  const released = Promise.withResolvers<void>();
  authorizationServer.override('token', (request, _response, { form }) => {
    if (form.get('grant_type') !== 'refresh_token') return 'continue';
    authorizationServer.override('token', undefined);
    if (when === 'unread') return arrived.resolve(request.socket.remotePort);
    authorizationServer.transform('token', async (json) => {
      authorizationServer.transform('token', undefined);
      arrived.resolve(request.socket.remotePort);
      await released.promise;
      return json;
    });
    return 'continue';
  });
  return {
    before: (calling) => Promise.race([arrived.promise, calling.then(failOnResponse)]),
    release: released.resolve,
  };
}

function failOnResponse(): never {
  throw new Error('The calls were answered without a token request.');
}

async function refuses({ port }: Replica): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/bff/user`).then(
    () => false,
    () => true,
  );
}
