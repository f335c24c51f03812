import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { recordNameOf, SealedRecords } from '../../src/session/store/sealed-records.ts';
import { Sealing } from '../../src/session/store/sealing.ts';
import { SessionIndex } from '../../src/session/sessions/session-index.ts';
import { SessionStore } from '../../src/session/sessions/session-store.ts';
import {
  beginSession,
  endOf,
  type Session,
  withTokens,
} from '../../src/session/sessions/session.ts';

const minute = 60_000;
const limits = { idle: 30 * minute, absolute: 8 * 60 * minute };
const signIn = {
  issuer: 'https://login.example.com',
  clientId: 'spa',
  sub: 'alice',
  claims: { name: 'Alice' },
  tokens: { accessToken: 'token', obtainedAt: 0 },
};

const alice = { issuer: signIn.issuer, clientIds: [signIn.clientId], sub: signIn.sub };

/** The id of the session whose cookie holds `secret`. */
const id = recordNameOf('secret');

/** All that a stored session must have. */
const beginning = { createdAt: 0, begunAt: 0, expiresAt: limits.absolute };
const complete = { ...signIn, ...beginning, id, provider: 'corp' };

/** A store at time 0, which `at` moves. */
function openStore() {
  let now = 0;
  const clock = () => now;
  const secrets = ['a session secret for tests, long enough'];
  const sealing = new Sealing(secrets);
  const values = new MemoryKeyValueStore(clock);
  const records = new SealedRecords(values, sealing, 'session:');
  const index = new SessionIndex(values, 'index:', { ...limits, secrets }, clock);
  const store = new SessionStore(records, index, values, limits, clock, () => true);
  const begin = (): Session => ({
    ...beginSession(signIn, 'corp', 'Browser/1.0', limits, { now, begunAt: now }),
    id,
  });
  const at = (time: number) => void (now = time);
  return { store, records, index, begin, at };
}

/** What express-session hands to a store. */
const asData = (signedIn?: unknown) => ({ cookie: { originalMaxAge: null }, signedIn }) as never;

function save(store: SessionStore, secret: string, session: Session): Promise<unknown> {
  return store.set(secret, asData(session));
}

async function idsIn(index: SessionIndex): Promise<string[]> {
  const ids: string[] = [];
  for await (const portion of index.pagesOf(alice)) ids.push(...portion);
  return ids;
}

describe('the session store', () => {
  it('reads a session that was begun', async () => {
    const { store, begin } = openStore();
    const session = begin();
    await save(store, 'secret', session);
    await expect(store.read(id)).resolves.toEqual(session);
    await expect(store.read('another')).resolves.toBeUndefined();
  });

  it('refuses to write a session that exists, so that a late save cannot undo anything', async () => {
    const { store, begin } = openStore();
    const session = begin();
    await save(store, 'secret', session);
    await expect(save(store, 'secret', { ...session, sub: 'mallory' })).rejects.toMatchObject({
      code: 'internal_error',
    });
    expect((await store.read(id))?.sub).toBe('alice');
  });

  it('is a store for express-session: what it sets it gets, until it destroys it', async () => {
    const { store, begin } = openStore();
    const session = begin();
    const get = () =>
      new Promise((resolve) =>
        store.get('secret', (error: unknown, found: unknown) => resolve([error, found])),
      );
    await save(store, 'secret', session);
    await expect(get()).resolves.toEqual([null, asData(session)]);
    await store.destroy('secret');
    await expect(get()).resolves.toEqual([null, null]);
    await expect(store.read(id)).resolves.toBeUndefined();
  });

  it('stores nothing for a browser that is not signed in', async () => {
    const { store, records } = openStore();
    await store.set('secret', asData());
    await expect(records.read(id)).resolves.toBeUndefined();
  });

  it('does not bring an ended session back', async () => {
    const { store, begin } = openStore();
    const session = begin();
    await save(store, 'secret', session);
    await store.end(id);
    await store.touch('secret', asData(session));
    await expect(store.slide(session)).resolves.toBeUndefined();
    await expect(store.idleExpiry(id)).resolves.toBeUndefined();
    await expect(store.read(id)).resolves.toBeUndefined();
    await expect(store.end(id)).resolves.toBeUndefined();
  });

  it('enters a session before it exists, and takes it out of the index when it ends', async () => {
    const { store, records, index, begin } = openStore();
    const entries: number[] = [];
    const create = records.create.bind(records);
    records.create = async (...parameters) => {
      entries.push((await idsIn(index)).length);
      return create(...parameters);
    };
    await save(store, 'secret', begin());
    expect(entries).toEqual([1]);
    await expect(store.end(id)).resolves.toMatchObject({ sub: 'alice' });
    await expect(idsIn(index)).resolves.toEqual([]);
    await expect(store.end(id)).resolves.toBeUndefined();
  });

  it.each(['before', 'after'])(
    'keeps no session whose user was signed out %s it was stored, while the sign-in was under way',
    async (when) => {
      const { store, records, index, begin } = openStore();
      const session = begin();
      const create = records.create.bind(records);
      records.create = async (...parameters) => {
        if (when === 'before') await index.revokeBefore(alice);
        const isNew = await create(...parameters);
        if (when === 'after') await index.revokeBefore(alice);
        return isNew;
      };
      await expect(save(store, 'secret', session)).rejects.toMatchObject({ code: 'login_expired' });
      await expect(records.read(id)).resolves.toBeUndefined();
      await expect(idsIn(index)).resolves.toEqual([]);
    },
  );

  it('stores nothing at all for a user who was signed out since the sign-in began', async () => {
    const { store, records, index, begin } = openStore();
    await index.revokeBefore(alice);
    await expect(save(store, 'secret', begin())).rejects.toMatchObject({ code: 'login_expired' });
    await expect(records.read(id)).resolves.toBeUndefined();
  });

  it('ends a session that stays idle', async () => {
    const { store, begin, at } = openStore();
    await save(store, 'secret', begin());
    await expect(store.idleExpiry(id)).resolves.toBe(30 * minute);
    at(30 * minute - 1);
    await expect(store.read(id)).resolves.toBeDefined();
    at(30 * minute);
    await expect(store.read(id)).resolves.toBeUndefined();
  });

  it('begins a new idle period when it slides, and not when it is only read or touched', async () => {
    const { store, begin, at } = openStore();
    const session = begin();
    await save(store, 'secret', session);
    at(20 * minute);
    await store.read(id);
    await store.touch('secret', asData(session));
    await expect(store.idleExpiry(id)).resolves.toBe(30 * minute);
    await expect(store.slide(session)).resolves.toBe(50 * minute);
    at(49 * minute);
    await expect(store.read(id)).resolves.toBeDefined();
  });

  it('ends a session at its absolute end, however busy it is', async () => {
    const { store, begin, at } = openStore();
    const session = begin();
    await save(store, 'secret', session);
    for (let time = 0; time < limits.absolute; time += 20 * minute) {
      at(time);
      const idleEnd = await store.slide(session);
      expect(idleEnd).toBe(Math.min(time + limits.idle, limits.absolute));
    }
    at(limits.absolute - 1);
    await expect(store.read(id)).resolves.toBeDefined();
    at(limits.absolute);
    await expect(store.read(id)).resolves.toBeUndefined();
  });

  it('refuses a session past its absolute end even while the record still lives', async () => {
    const { store, records, begin, at } = openStore();
    await save(store, 'secret', begin());
    await records.touch(id, 24 * 60 * minute);
    at(limits.absolute);
    await expect(records.read(id)).resolves.toBeDefined();
    await expect(store.read(id)).resolves.toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['an empty object', {}],
    ['no session in it', asData()],
    ['a session without tokens', asData({ ...complete, tokens: undefined })],
    ['a session of text', asData('alice')],
    ['a list', []],
    ...'id provider issuer clientId sub claims createdAt begunAt expiresAt'
      .split(' ')
      .map((name): [string, unknown] => [
        `a session without ${name}`,
        asData({ ...complete, [name]: undefined }),
      ]),
    ['no cookie of express-session', { signedIn: complete }],
  ])('takes a record with %s for signed out', async (_, data) => {
    const { store, records } = openStore();
    await records.create(id, JSON.stringify(data), minute);
    await expect(store.read(id)).resolves.toBeUndefined();
    const stored = await new Promise((resolve) =>
      store.get('secret', (error: unknown, found: unknown) => resolve([error, found])),
    );
    expect(stored).toEqual([null, null]);
  });

  it('takes a record with all that a session must have for one', async () => {
    const { store, records } = openStore();
    await records.create(id, JSON.stringify(asData(complete)), minute);
    await expect(store.read(id)).resolves.toEqual(complete);
  });

  it('takes a record that does not open for signed out', async () => {
    const { store, records } = openStore();
    const foreign = new SealedRecords(
      (records as unknown as { store: MemoryKeyValueStore }).store,
      new Sealing(['a secret of somebody else, long enough']),
      'session:',
    );
    await foreign.create(id, JSON.stringify(asData(signIn)), minute);
    await expect(store.read(id)).resolves.toBeUndefined();
  });
});

describe('where the provider has the last word', () => {
  const beginWith = (more: object, now = 0) =>
    beginSession({ ...signIn, ...more }, 'corp', undefined, limits, { now, begunAt: now });

  it('a session ends with that of the provider (session_expiry), never later than its own end', () => {
    expect(endOf({ ...beginWith({ sessionExpiry: 60 * minute }), id })).toBe(60 * minute);
    expect(endOf({ ...beginWith({ sessionExpiry: 24 * 60 * minute }), id })).toBe(limits.absolute);
    expect(beginWith({ sessionExpiry: 1 })).not.toHaveProperty('sessionExpiry');
  });

  it('a session ends when there is no token left and none to come', () => {
    const withTimes = (times: object) =>
      endOf({ ...beginWith({ tokens: { ...signIn.tokens, ...times } }), id });
    expect(withTimes({ expiresAt: 5 * minute, refreshExpiresAt: 60 * minute })).toBe(60 * minute);
    expect(withTimes({ expiresAt: 90 * minute, refreshExpiresAt: 60 * minute })).toBe(90 * minute);
    expect(withTimes({ expiresAt: 5 * minute })).toBe(limits.absolute);
    expect(withTimes({ refreshExpiresAt: 60 * minute })).toBe(limits.absolute);
  });

  it('a refresh moves both ends, and the idle time follows', async () => {
    const { store, begin, at } = openStore();
    const tokens = { ...signIn.tokens, expiresAt: 5 * minute, refreshExpiresAt: 10 * minute };
    await save(store, 'secret', { ...begin(), tokens });
    await expect(store.idleExpiry(id)).resolves.toBe(10 * minute);
    at(9 * minute);
    const stored = (await store.readStored(id)) as never;
    const lock = (await store.lockRefresh(id)) as never;
    const fresh = { ...tokens, accessToken: 'fresh', refreshExpiresAt: 19 * minute };
    const sessionExpiry = 15 * minute;
    const change = (session: Session) => withTokens(session, fresh, limits, sessionExpiry);
    await store.replaceTokens(stored, change, lock);
    await expect(store.idleExpiry(id)).resolves.toBe(15 * minute);
    at(15 * minute - 1);
    await expect(store.read(id)).resolves.toMatchObject({ expiresAt: 15 * minute, tokens: fresh });
    at(15 * minute);
    await expect(store.read(id)).resolves.toBeUndefined();
  });
});
