import { MemoryKeyValueStore } from '../../src/session/memory.ts';
import { PendingLogins, type PendingLogin } from '../../src/session/pending-logins.ts';
import { SealedRecords } from '../../src/session/sealed-records.ts';
import { Sealing } from '../../src/session/sealing.ts';

const minute = 60_000;

function login(state: string): PendingLogin {
  const redirectUri = 'https://app.example.com/bff/callback';
  const secrets = { state, nonce: 'nonce', codeVerifier: 'verifier', redirectUri };
  const at = { provider: 'corp', issuer: 'https://login.example.com', clientId: 'spa' };
  return { ...at, secrets, returnUrl: '/there' };
}

function openPendingLogins(clock: () => number = () => 0) {
  const sealing = new Sealing(['a session secret for tests, long enough']);
  return new PendingLogins(new SealedRecords(new MemoryKeyValueStore(clock), sealing, 'login:'));
}

describe('pending logins', () => {
  it('are found by their state in the browser that began them', async () => {
    const pending = openPendingLogins();
    await pending.put('browser', login('state'));
    await expect(pending.take('browser', 'state')).resolves.toEqual(login('state'));
  });

  it.each([
    ['another browser', 'other', 'state'],
    ['another state', 'browser', 'other'],
    ['the state in another case', 'browser', 'STATE'],
    ['a part of the state', 'browser', 'stat'],
    ['the two exchanged', 'state', 'browser'],
    ['nothing', '', ''],
  ])('are not found, and not used up, by %s', async (_, binding, state) => {
    const pending = openPendingLogins();
    await pending.put('browser', login('state'));
    await expect(pending.take(binding, state)).resolves.toBeUndefined();
    await expect(pending.take('browser', 'state')).resolves.toBeDefined();
  });

  it('cannot be found by moving characters between state and binding', async () => {
    const pending = openPendingLogins();
    await pending.put('ab', login('c'));
    await expect(pending.take('a', 'bc')).resolves.toBeUndefined();
    await expect(pending.take('b"', '"a","c')).resolves.toBeUndefined();
  });

  it('are given to one of twenty callbacks', async () => {
    const pending = openPendingLogins();
    await pending.put('browser', login('state'));
    const taken = await Promise.all(
      Array.from({ length: 20 }, () => pending.take('browser', 'state')),
    );
    expect(taken.filter(Boolean)).toHaveLength(1);
  });

  it('of one browser do not disturb each other', async () => {
    const pending = openPendingLogins();
    const states = Array.from({ length: 10 }, (_, n) => `state ${n}`);
    for (const state of states) await pending.put('browser', login(state));
    for (const state of states.toReversed()) {
      expect((await pending.take('browser', state))?.secrets.state).toBe(state);
    }
  });

  it('end after ten minutes', async () => {
    let now = 0;
    const pending = openPendingLogins(() => now);
    await pending.put('browser', login('early'));
    await pending.put('browser', login('late'));
    now = 10 * minute - 1;
    await expect(pending.take('browser', 'early')).resolves.toBeDefined();
    now = 10 * minute;
    await expect(pending.take('browser', 'late')).resolves.toBeUndefined();
  });
});
