import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { PendingLogins, type PendingLogin } from '../../src/session/store/pending-logins.ts';
import { SealedRecords } from '../../src/session/store/sealed-records.ts';
import { Sealing } from '../../src/session/store/sealing.ts';

const minute = 60_000;

function login(state: string): PendingLogin {
  const redirectUri = 'https://app.example.com/bff/callback';
  const secrets = { state, nonce: 'nonce', codeVerifier: 'verifier', redirectUri };
  const at = { provider: 'corp', issuer: 'https://login.example.com', clientId: 'spa' };
  return { ...at, secrets, returnUrl: '/there' };
}

function openPendingLogins(clock: () => number = () => 0, most = 100) {
  const sealing = new Sealing(['a session secret for tests, long enough']);
  const store = new MemoryKeyValueStore(clock);
  const places = { store, key: 'pending-logins', most };
  return new PendingLogins(new SealedRecords(store, sealing, 'login:'), places, clock);
}

async function begin(pending: PendingLogins, binding: string, { secrets, ...rest }: PendingLogin) {
  const place = await pending.takeSlot(binding, secrets.state);
  await pending.put(place, { secrets, ...rest });
}

describe('pending logins', () => {
  it('are found by their state in the browser that began them', async () => {
    const pending = openPendingLogins();
    await begin(pending, 'browser', login('state'));
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
    await begin(pending, 'browser', login('state'));
    await expect(pending.take(binding, state)).resolves.toBeUndefined();
    await expect(pending.take('browser', 'state')).resolves.toBeDefined();
  });

  it('cannot be found by moving characters between state and binding', async () => {
    const pending = openPendingLogins();
    await begin(pending, 'ab', login('c'));
    await expect(pending.take('a', 'bc')).resolves.toBeUndefined();
    await expect(pending.take('b"', '"a","c')).resolves.toBeUndefined();
  });

  it('are given to one of twenty callbacks', async () => {
    const pending = openPendingLogins();
    await begin(pending, 'browser', login('state'));
    const taken = await Promise.all(
      Array.from({ length: 20 }, () => pending.take('browser', 'state')),
    );
    expect(taken.filter(Boolean)).toHaveLength(1);
  });

  it('of one browser do not disturb each other', async () => {
    const pending = openPendingLogins();
    const states = Array.from({ length: 10 }, (_, n) => `state ${n}`);
    for (const state of states) await begin(pending, 'browser', login(state));
    for (const state of states.toReversed()) {
      expect((await pending.take('browser', state))?.secrets.state).toBe(state);
    }
  });

  it('end after ten minutes', async () => {
    let now = 0;
    const pending = openPendingLogins(() => now);
    await begin(pending, 'browser', login('early'));
    await begin(pending, 'browser', login('late'));
    now = 10 * minute - 1;
    await expect(pending.take('browser', 'early')).resolves.toBeDefined();
    now = 10 * minute;
    await expect(pending.take('browser', 'late')).resolves.toBeUndefined();
  });

  it('are no more than may be, and one that is refused leaves nothing behind', async () => {
    let now = 0;
    const pending = openPendingLogins(() => now, 2);
    const full = expect.objectContaining({
      code: 'rate_limited',
      status: 429,
      headers: { 'Retry-After': expect.stringMatching(/^\d+$/) },
    });
    await begin(pending, 'browser', login('one'));
    await begin(pending, 'browser', login('two'));
    await expect(begin(pending, 'browser', login('three'))).rejects.toEqual(full);
    await expect(pending.take('browser', 'three')).resolves.toBeUndefined();
    await expect(pending.takeSlot('browser', 'three')).rejects.toEqual(full);

    await expect(pending.take('browser', 'one')).resolves.toBeDefined();
    await begin(pending, 'browser', login('three'));
    await expect(pending.takeSlot('browser', 'four')).rejects.toEqual(full);

    now = 11 * minute;
    await begin(pending, 'browser', login('four'));
  });

  it('end as if they had begun when their place was taken', async () => {
    let now = 0;
    const pending = openPendingLogins(() => now);
    const place = await pending.takeSlot('browser', 'slow');
    now = 2 * minute;
    await pending.put(place, login('slow'));
    now = 10 * minute;
    await expect(pending.take('browser', 'slow')).resolves.toBeUndefined();
  });

  it('give back a place for which there is none', async () => {
    const pending = openPendingLogins(() => 0, 1);
    await pending.freeSlot(await pending.takeSlot('browser', 'failed'));
    await begin(pending, 'browser', login('next'));
    await expect(pending.take('browser', 'next')).resolves.toEqual(login('next'));
  });
});
