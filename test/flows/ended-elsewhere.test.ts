import { figuresOf, mostMilliseconds, type Refusal, refusalOf } from '../soak/ended-elsewhere.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';

const tries = 200;

const callsAt = (bff: TestBff, cookie: string) => async () => {
  const headers = { cookie, 'x-csrf': '1' };
  const response = await fetch(`http://127.0.0.1:${bff.port}/api/x`, { headers });
  await response.body?.cancel();
  return response.status;
};

describe('a session in use on one replica that is ended on another', () => {
  it('is refused within 100 ms, in 99 of 100 cases', async () => {
    await using bff = await startBff();
    const other = await bff.replica();
    const browser = bff.browser();
    const refusals: Refusal[] = [];
    while (refusals.length < tries) {
      await bff.signedIn('alice', browser);
      const call = callsAt(other, browser.cookieHeader());
      const signOut = async () => (await browser.fetch('/bff/logout', { method: 'POST' })).status;
      refusals.push(await refusalOf({ call, signOut }));
    }
    const { p99, text } = figuresOf(refusals);
    console.info(`${tries} sessions that were ended elsewhere, until they were refused: ${text}.`);
    expect(p99).toBeLessThanOrEqual(mostMilliseconds);
  }, 60_000);
});
