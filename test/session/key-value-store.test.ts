import { randomBytes } from 'node:crypto';
import type { KeyValueStore, ListEntry } from '../../src/session/store/key-value-store.ts';
import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { RedisKeyValueStore } from '../../src/session/store/redis/redis-key-value-store.ts';
import { testRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';

/** A store under test, in a corner of its own. */
interface Subject {
  readonly store: KeyValueStore;
  readonly prefix: string;
  close(): Promise<void>;
}

const implementations: Record<string, () => Promise<Subject>> = {
  RedisKeyValueStore: async () => {
    const corner = await testRedis();
    const store = new RedisKeyValueStore(corner);
    const close = async () => {
      await store.close();
      await corner.close();
    };
    return { store, prefix: corner.keyPrefix, close };
  },
  MemoryKeyValueStore: async () => {
    const store = new MemoryKeyValueStore();
    return { store, prefix: 'test:', close: () => store.close() };
  },
};

describe.each(Object.entries(implementations))('%s', (_name, open) => {
  let subject: Subject;
  let store: KeyValueStore;
  const newKey = () => subject.prefix + randomBytes(8).toString('hex');
  beforeAll(async () => {
    subject = await open();
    store = subject.store;
  });
  afterAll(() => subject.close());

  it('responds to the very first command, however early it is sent', async () => {
    const early = await open();
    await expect(early.store.get(newKey())).resolves.toBeUndefined();
    await early.close();
  });

  it('has nothing under a key that was never written', async () => {
    const key = newKey();
    await expect(store.get(key)).resolves.toBeUndefined();
    await expect(store.take(key)).resolves.toBeUndefined();
    await expect(store.timeToLive(key)).resolves.toBeUndefined();
    await expect(store.touch(key, 1000)).resolves.toBe(false);
    await expect(store.remove(key)).resolves.toBe(false);
    await expect(store.replace(key, '', 'value')).resolves.toBe(false);
    await expect(store.get(key)).resolves.toBeUndefined();
  });

  it('extends and removes only what has the expected value', async () => {
    const key = newKey();
    await store.create(key, 'mine', 5000);
    await expect(store.extend(key, 'another', 60_000)).resolves.toBe(false);
    await expect(store.extend(key, 'mine', 60_000)).resolves.toBe(true);
    expect(await store.timeToLive(key)).toBeGreaterThan(30_000);
    await expect(store.removeIf(key, 'another')).resolves.toBe(false);
    await expect(store.removeIf(key, 'mine')).resolves.toBe(true);
    await expect(store.removeIf(key, 'mine')).resolves.toBe(false);
    await expect(store.extend(key, 'mine', 60_000)).resolves.toBe(false);
  });

  it('replaces nothing for a caller that has lost the lock that fences the write', async () => {
    const tag = `${subject.prefix}{${randomBytes(8).toString('hex')}}`;
    const lock = { key: `${tag}:lock`, value: 'holder' };
    await store.create(tag, 'before', 5000);
    await expect(store.replace(tag, 'before', 'after', lock)).resolves.toBe(false);
    await store.create(lock.key, 'somebody else', 5000);
    await expect(store.replace(tag, 'before', 'after', lock)).resolves.toBe(false);
    await store.replace(lock.key, 'somebody else', 'holder');
    await expect(store.replace(tag, 'before', 'after', lock)).resolves.toBe(true);
    await expect(store.get(tag)).resolves.toBe('after');
  });

  it.each(['value', '', '🍪\u0000\r\n', 'x'.repeat(300_000)])(
    'keeps a value as it was written (%#)',
    async (value) => {
      const key = newKey();
      await expect(store.create(key, value, 60_000)).resolves.toBe(true);
      await expect(store.get(key)).resolves.toBe(value);
    },
  );

  it('creates a key once: the first value stays', async () => {
    const key = newKey();
    await store.create(key, 'first', 60_000);
    await expect(store.create(key, 'second', 1)).resolves.toBe(false);
    await expect(store.get(key)).resolves.toBe('first');
    await expect(store.timeToLive(key)).resolves.toBeGreaterThan(50_000);
  });

  it('lets one of twenty creators win', async () => {
    const key = newKey();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => store.create(key, `${n}`, 60_000)),
    );
    expect(results.filter(Boolean)).toHaveLength(1);
    await expect(store.get(key)).resolves.toBe(String(results.indexOf(true)));
  });

  it('replaces a value only while it is the one that was read', async () => {
    const key = newKey();
    await store.create(key, 'first', 60_000);
    await expect(store.replace(key, 'other', 'lost')).resolves.toBe(false);
    await expect(store.get(key)).resolves.toBe('first');
    await expect(store.replace(key, 'first', 'second')).resolves.toBe(true);
    await expect(store.get(key)).resolves.toBe('second');
  });

  it('keeps the time to live when it replaces', async () => {
    const key = newKey();
    await store.create(key, 'first', 60_000);
    await store.replace(key, 'first', 'second');
    const left = await store.timeToLive(key);
    expect(left).toBeGreaterThan(50_000);
    expect(left).toBeLessThanOrEqual(60_000);
  });

  it('lets one of twenty replacers win', async () => {
    const key = newKey();
    await store.create(key, 'first', 60_000);
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => store.replace(key, 'first', `${n}`)),
    );
    expect(results.filter(Boolean)).toHaveLength(1);
  });

  it('gives a value to one of twenty takers, and keeps nothing', async () => {
    const key = newKey();
    await store.create(key, 'once', 60_000);
    const taken = await Promise.all(Array.from({ length: 20 }, () => store.take(key)));
    expect(taken.filter((value) => value !== undefined)).toEqual(['once']);
    await expect(store.get(key)).resolves.toBeUndefined();
  });

  it('forgets a value when its time is over', async () => {
    const key = newKey();
    await store.create(key, 'short', 30);
    await waitFor(async () => (await store.get(key)) === undefined);
    await expect(store.touch(key, 60_000)).resolves.toBe(false);
    await expect(store.replace(key, 'short', 'again')).resolves.toBe(false);
    await expect(store.take(key)).resolves.toBeUndefined();
    await expect(store.create(key, 'new', 60_000)).resolves.toBe(true);
  });

  it('begins a new time to live with a touch, longer or shorter', async () => {
    const key = newKey();
    await store.create(key, 'value', 10_000);
    await expect(store.touch(key, 60_000)).resolves.toBe(true);
    await expect(store.timeToLive(key)).resolves.toBeGreaterThan(50_000);
    await expect(store.touch(key, 5_000.5)).resolves.toBe(true);
    await expect(store.timeToLive(key)).resolves.toBeLessThanOrEqual(5_001);
    await expect(store.get(key)).resolves.toBe('value');
  });

  it('never brings back with a touch or a replacement what was removed', async () => {
    const key = newKey();
    await store.create(key, 'value', 60_000);
    await expect(store.remove(key)).resolves.toBe(true);
    await expect(store.touch(key, 60_000)).resolves.toBe(false);
    await expect(store.replace(key, 'value', 'value')).resolves.toBe(false);
    await expect(store.get(key)).resolves.toBeUndefined();
  });

  it('says what time it is by its own clock', async () => {
    const began = Date.now();
    const times = [await store.time(), await store.time()];
    const [first = 0, second = 0] = times;
    expect(times.every(Number.isInteger)).toBe(true);
    expect(first).toBeGreaterThanOrEqual(began - 1);
    expect(second).toBeGreaterThanOrEqual(first);
    expect(second).toBeLessThanOrEqual(Date.now() + 1);
  });

  it('says that it is there', async () => {
    await expect(store.ping()).resolves.toBeUndefined();
  });

  it('reads a key and gives it a new time to live in one step, and brings none back', async () => {
    const key = newKey();
    await expect(store.getAndTouch(key, 5000)).resolves.toBeUndefined();
    await expect(store.get(key)).resolves.toBeUndefined();
    await store.create(key, 'value', 1000);
    await expect(store.getAndTouch(key, 5000)).resolves.toBe('value');
    expect(await store.timeToLive(key)).toBeGreaterThan(4000);
  });

  describe('lists', () => {
    const seenAt = (at: number) => ({ at, staleBefore: at - 100, ttl: 5000 });
    const all = { atMost: 1000 };

    /** Every member, in portions of this size. */
    async function read(list: string, atMost: number) {
      const portions: string[][] = [];
      let after: ListEntry | undefined;
      for (;;) {
        const entries = await store.members(list, 0, { after, atMost });
        portions.push(entries.map(({ member }) => member));
        after = entries.at(-1);
        if (entries.length < atMost) return portions;
      }
    }

    /**
     * Many at the same moment, and names that a locale would sort in another order than by bytes.
     */
    async function fill(list: string) {
      const names = Array.from({ length: 40 }, (_, n) => `${'aBzZ_-9é'[n % 8]}${n}`);
      for (const [n, name] of names.entries()) {
        const at = n < 30 ? 1000 : 1000 + n;
        await store.addMember(list, name, { ...seenAt(at), staleBefore: 0, since: 1000 });
      }
      return names;
    }

    it.each([1, 7, 39, 40, 41])('are read in portions of %i, each member once', async (atMost) => {
      const list = newKey();
      const names = await fill(list);
      const portions = await read(list, atMost);
      expect(Math.max(...portions.map(({ length }) => length))).toBe(Math.min(atMost, 40));
      expect(portions.flat().toSorted()).toEqual(names.toSorted());
    });

    it('miss no member in portions while others are removed and touched, even the last of a portion', async () => {
      const list = newKey();
      const names = await fill(list);
      const found: string[] = [];
      let now = 2000;
      let after: ListEntry | undefined;
      for (;;) {
        const entries = await store.members(list, 0, { after, atMost: 3 });
        if (entries.length === 0) break;
        found.push(...entries.map(({ member }) => member));
        after = entries.at(-1);
        // All that were read are gone, the cursor's own entry first.
        for (const { member } of entries.toReversed()) await store.removeMember(list, member);
        const next = names.find((name) => !found.includes(name));
        if (next)
          await store.renewMember(list, next, { at: (now += 1), staleBefore: 0, ttl: 5000 });
      }
      expect(found.toSorted()).toEqual(names.toSorted());
      await expect(store.countEnlisted(list, 0)).resolves.toBe(0);
    });

    it('count the members that are not stale', async () => {
      const list = newKey();
      await fill(list);
      await expect(store.countEnlisted(list, 0)).resolves.toBe(40);
      await expect(store.countEnlisted(list, 1001)).resolves.toBe(10);
      await expect(store.members(list, 1001, { atMost: 4 })).resolves.toHaveLength(4);
      await expect(store.countEnlisted(newKey(), 0)).resolves.toBe(0);
    });

    it('name their members, those seen longest ago first', async () => {
      const list = newKey();
      await store.addMember(list, 'one', { ...seenAt(1000), since: 1000 });
      await store.addMember(list, 'two', { ...seenAt(1010), since: 1010 });
      await store.renewMember(list, 'one', seenAt(1020));
      await store.addMember(list, 'three', { ...seenAt(1030), since: 1030 });
      await store.removeMember(list, 'three');
      await expect(store.members(list, 0, all)).resolves.toEqual([
        { member: 'two', at: 1010 },
        { member: 'one', at: 1020 },
      ]);
      await expect(store.members(list, 1011, all)).resolves.toEqual([{ member: 'one', at: 1020 }]);
      await expect(store.members(newKey(), 0, all)).resolves.toEqual([]);
    });

    it('do not take back who was struck off, only because they are seen', async () => {
      const list = newKey();
      await store.addMember(list, 'one', { ...seenAt(1000), since: 1000 });
      await store.removeMember(list, 'one');
      await store.renewMember(list, 'one', seenAt(1010));
      await store.renewMember(list, 'stranger', seenAt(1010));
      await expect(store.members(list, 0, all)).resolves.toEqual([]);
    });

    it('remove stale members when another is added', async () => {
      const list = newKey();
      await store.addMember(list, 'old', { ...seenAt(1000), since: 1000 });
      await store.addMember(list, 'new', { ...seenAt(1101), since: 1101 });
      await expect(store.members(list, 0, all)).resolves.toEqual([{ member: 'new', at: 1101 }]);
    });

    it('accept no member whose time began before they were revoked', async () => {
      const list = newKey();
      await store.addMember(list, 'before', { ...seenAt(1000), since: 1000 });
      await store.revokeBefore(list, 1005, 5000);
      const enter = (member: string, since: number) =>
        store.addMember(list, member, { ...seenAt(1010), since });
      await expect(enter('too early', 1004)).resolves.toBe(false);
      await expect(enter('at the same time', 1005)).resolves.toBe(false);
      await expect(enter('after', 1006)).resolves.toBe(true);
      const members = (await store.members(list, 0, all)).map(({ member }) => member);
      expect(members).toEqual(['before', 'after']);
    });

    it('say who is there, unless they were closed since', async () => {
      const list = newKey();
      await store.addMember(list, 'one', { ...seenAt(1000), since: 1000 });
      await store.addMember(list, 'two', { ...seenAt(1000), since: 1000 });
      await store.removeMember(list, 'two');
      const areEnlisted = (since: number) =>
        Promise.all(['one', 'two', 'three'].map((each) => store.hasMember(list, each, since)));
      await expect(areEnlisted(1000)).resolves.toEqual([true, false, false]);
      await store.revokeBefore(list, 1005, 5000);
      await expect(areEnlisted(1005)).resolves.toEqual([false, false, false]);
      await expect(areEnlisted(1006)).resolves.toEqual([true, false, false]);
    });

    it('end with their youngest member', async () => {
      const list = newKey();
      const now = { at: 1000, staleBefore: 0, since: 1000 };
      await store.addMember(list, 'long', { ...now, ttl: 60_000 });
      await store.addMember(list, 'short', { ...now, ttl: 30 });
      await expect(store.members(list, 0, all)).resolves.toHaveLength(2);
      const shortLived = newKey();
      await store.addMember(shortLived, 'short', { ...now, ttl: 30 });
      await waitFor(async () => (await store.members(shortLived, 0, all)).length === 0);
    });
  });

  describe('places', () => {
    it('are taken until there is none left, and free again when they are given back', async () => {
      const key = newKey();
      const take = (member: string) => store.takePlace(key, member, 2, 60_000);
      await expect(take('one')).resolves.toBe(true);
      await expect(take('two')).resolves.toBe(true);
      await expect(take('three')).resolves.toBe(false);
      await store.freePlace(key, 'three');
      await store.freePlace(key, 'stranger');
      await expect(take('three')).resolves.toBe(false);
      await store.freePlace(key, 'one');
      await expect(take('three')).resolves.toBe(true);
      await expect(take('four')).resolves.toBe(false);
      await expect(store.takePlace(newKey(), 'four', 2, 60_000)).resolves.toBe(true);
    });

    it('are never more than there are, however many are requested at once', async () => {
      const key = newKey();
      const taken = await Promise.all(
        Array.from({ length: 50 }, (_, n) => store.takePlace(key, `${n}`, 5, 60_000)),
      );
      expect(taken.filter(Boolean)).toHaveLength(5);
    });

    it('are free when their time is over, also while others are requested', async () => {
      const key = newKey();
      await expect(store.takePlace(key, 'one', 1, 50.5)).resolves.toBe(true);
      await expect(store.takePlace(key, 'two', 1, 50.5)).resolves.toBe(false);
      await waitFor(() => store.takePlace(key, 'two', 1, 50.5));
      await expect(store.takePlace(key, 'three', 1, 50.5)).resolves.toBe(false);
    });
  });

  it('can be closed twice', async () => {
    const other = await open();
    await other.store.close();
    await expect(other.close()).resolves.toBeUndefined();
  });
});

describe('RedisKeyValueStore', () => {
  it('reports what others do to the keys it watches, and not what it does itself', async () => {
    const corner = await testRedis();
    const [here, there] = [
      new RedisKeyValueStore(corner, `${corner.keyPrefix}watched:`),
      new RedisKeyValueStore(corner),
    ];
    const changes: string[] = [];
    here.watch({
      changed: (key) => changes.push(key.slice(corner.keyPrefix.length)),
      missedChanges: () => changes.push('missed'),
    });
    await here.create(`${corner.keyPrefix}watched:own`, 'value', 5000);
    await there.create(`${corner.keyPrefix}other`, 'value', 5000);
    const key = `${corner.keyPrefix}watched:key`;
    const next = async (action: () => Promise<unknown>) => {
      changes.length = 0;
      await action();
      await waitFor(() => changes.length > 0);
      return changes.splice(0);
    };
    await expect(next(() => there.create(key, 'value', 5000))).resolves.toEqual(['watched:key']);
    await expect(next(() => there.touch(key, 5000))).resolves.toEqual(['watched:key']);
    await here.get(key);
    await here.replace(key, 'value', 'other');
    await expect(next(() => there.remove(key))).resolves.toEqual(['watched:key']);
    await expect(next(() => there.create(key, 'value', 30))).resolves.toEqual(['watched:key']);
    await expect(next(async () => undefined)).resolves.toEqual(['watched:key']);
    await Promise.all([here.close(), there.close()]);
    await corner.close();
  });
});

describe('MemoryKeyValueStore', () => {
  it('removes what was not requested again', async () => {
    let now = 0;
    const store = new MemoryKeyValueStore(() => now);
    for (let n = 0; n < 999; n += 1) await store.create(`key ${n}`, 'value', 10);
    now = 20;
    await store.create('last', 'value', 10);
    now = 0;
    await expect(store.get('key 1')).resolves.toBeUndefined();
    await expect(store.get('last')).resolves.toBe('value');
  });
});
