import assert from 'node:assert/strict';
import { setInterval } from 'node:timers/promises';
import { call } from './calls.ts';
import { beginRound, type ScenarioContext } from './scenario-context.ts';
import { refreshes } from './backends.ts';
import { quantile } from './report.ts';
import { browserAt, signIn } from './sessions.ts';

const seconds = 60;
const callsPerSecond = 200;
const lifetimeSeconds = 3;

/**
 * A session in constant use while its access tokens end every few seconds, refreshed ahead or,
 * where the provider's clock is a little ahead of ours, when the API refuses one. Nobody ever
 * notices, and no refresh token is spent twice.
 */
export async function hammered(context: ScenarioContext): Promise<void> {
  const { fleet, backends, report } = context;
  report.heading(
    `5. ${callsPerSecond} calls a second for ${seconds} s, access tokens of ${lifetimeSeconds} s`,
  );
  await report.check('every call, and one token request a lifetime', async () => {
    backends.lifetimeSeconds = lifetimeSeconds;
    const { cookie } = await signIn(fleet, backends, browserAt(fleet));
    beginRound(context);
    const outcomes = await keepCalling((number) => call(fleet.at(number), cookie));
    assert.deepEqual([...new Set(outcomes.map(({ status }) => status))], [200]);
    const { length } = refreshes(backends);
    // One is replaced in the last tenth of its life, or up to a second before its end: the provider
    // counts whole seconds.
    const [fewest, most] = [seconds / lifetimeSeconds - 1, seconds / (lifetimeSeconds - 1) + 1];
    assert(fewest <= length && length <= most, `${length} token requests`);
    assert.deepEqual(backends.refusals, []);
    const spent = new Set(refreshes(backends).map(({ form }) => form.get('refresh_token')));
    assert.equal(spent.size, length, 'a refresh token was spent twice');
    const refused = backends.upstream.requests.length - outcomes.length;
    const times = outcomes.map(({ milliseconds }) => milliseconds);
    return (
      `${outcomes.length} × 200, ${length} token requests (${fewest} to ${most} were expected), ${refused} calls tried twice, ` +
      `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms, max ${quantile(times, 1).toFixed(1)} ms`
    );
  });
}

interface Outcome {
  readonly status: number | string;
  readonly milliseconds: number;
}

/** Makes a call at every tick, however long the others take. */
async function keepCalling(make: (number: number) => Promise<number>): Promise<Outcome[]> {
  const under: Promise<Outcome>[] = [];
  const start = performance.now();
  for await (const _ of setInterval(1000 / callsPerSecond)) {
    const elapsed = performance.now() - start;
    if (elapsed >= seconds * 1000) break;
    // A tick that comes late makes up for those that were missed.
    while (under.length < (elapsed / 1000) * callsPerSecond) under.push(timed(make(under.length)));
  }
  return Promise.all(under);
}

async function timed(response: Promise<number>): Promise<Outcome> {
  const start = performance.now();
  const status = await response.catch((error: Error) => error.message);
  return { status, milliseconds: performance.now() - start };
}
