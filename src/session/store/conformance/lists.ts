import { deepEqual, equal } from 'node:assert/strict';
import type { KeyValueStore, ListEntry } from '../key-value-store.ts';
import { type ConformanceCases, until } from './conformance-case.ts';

const seenAt = (at: number) => ({ at, staleBefore: at - 100, ttl: 5000 });
const all = { atMost: 1000 };

/** Every member, in portions of this size. */
async function read(store: KeyValueStore, list: string, atMost: number): Promise<string[][]> {
  const pages: string[][] = [];
  let after: ListEntry | undefined;
  for (;;) {
    const entries = await store.members(list, 0, { after, atMost });
    pages.push(entries.map(({ member }) => member));
    after = entries.at(-1);
    if (entries.length < atMost) return pages;
  }
}

/** Many at the same moment, and names that a locale would sort in another order than by bytes. */
async function fill(store: KeyValueStore, list: string): Promise<string[]> {
  const names = Array.from({ length: 40 }, (_, n) => `${'aBzZ_-9é'[n % 8]}${n}`);
  for (const [n, name] of names.entries()) {
    const at = n < 30 ? 1000 : 1000 + n;
    await store.addMember(list, name, { ...seenAt(at), staleBefore: 0, since: 1000 });
  }
  return names;
}

/** What a store promises for its lists. */
export const listCases: ConformanceCases = {
  'are read in portions of any size, each member once': async ({ store, newKey }) => {
    for (const atMost of [1, 7, 39, 40, 41]) {
      const list = newKey();
      const names = await fill(store, list);
      const pages = await read(store, list, atMost);
      equal(Math.max(...pages.map(({ length }) => length)), Math.min(atMost, 40));
      deepEqual(pages.flat().toSorted(), names.toSorted());
    }
  },

  'miss no member in portions while others are removed and touched, even the last of a portion':
    async ({ store, newKey }) => {
      const list = newKey();
      const names = await fill(store, list);
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
      deepEqual(found.toSorted(), names.toSorted());
      equal(await store.countMembers(list, 0), 0);
    },

  'count the members that are not stale': async ({ store, newKey }) => {
    const list = newKey();
    await fill(store, list);
    equal(await store.countMembers(list, 0), 40);
    equal(await store.countMembers(list, 1001), 10);
    equal((await store.members(list, 1001, { atMost: 4 })).length, 4);
    equal(await store.countMembers(newKey(), 0), 0);
  },

  'name their members, those seen longest ago first': async ({ store, newKey }) => {
    const list = newKey();
    await store.addMember(list, 'one', { ...seenAt(1000), since: 1000 });
    await store.addMember(list, 'two', { ...seenAt(1010), since: 1010 });
    await store.renewMember(list, 'one', seenAt(1020));
    await store.addMember(list, 'three', { ...seenAt(1030), since: 1030 });
    await store.removeMember(list, 'three');
    deepEqual(await store.members(list, 0, all), [
      { member: 'two', at: 1010 },
      { member: 'one', at: 1020 },
    ]);
    deepEqual(await store.members(list, 1011, all), [{ member: 'one', at: 1020 }]);
    deepEqual(await store.members(newKey(), 0, all), []);
  },

  'do not take back who was struck off, only because they are seen': async ({ store, newKey }) => {
    const list = newKey();
    await store.addMember(list, 'one', { ...seenAt(1000), since: 1000 });
    await store.removeMember(list, 'one');
    await store.renewMember(list, 'one', seenAt(1010));
    await store.renewMember(list, 'stranger', seenAt(1010));
    deepEqual(await store.members(list, 0, all), []);
  },

  'remove stale members when another is added': async ({ store, newKey }) => {
    const list = newKey();
    await store.addMember(list, 'old', { ...seenAt(1000), since: 1000 });
    await store.addMember(list, 'new', { ...seenAt(1101), since: 1101 });
    deepEqual(await store.members(list, 0, all), [{ member: 'new', at: 1101 }]);
  },

  'accept no member whose time began before they were revoked': async ({ store, newKey }) => {
    const list = newKey();
    await store.addMember(list, 'before', { ...seenAt(1000), since: 1000 });
    await store.revokeBefore(list, 1005, 5000);
    const enter = (member: string, since: number) =>
      store.addMember(list, member, { ...seenAt(1010), since });
    equal(await enter('too early', 1004), false);
    equal(await enter('at the same time', 1005), false);
    equal(await enter('after', 1006), true);
    const members = (await store.members(list, 0, all)).map(({ member }) => member);
    deepEqual(members, ['before', 'after']);
  },

  'say who is there, unless they were closed since': async ({ store, newKey }) => {
    const list = newKey();
    await store.addMember(list, 'one', { ...seenAt(1000), since: 1000 });
    await store.addMember(list, 'two', { ...seenAt(1000), since: 1000 });
    await store.removeMember(list, 'two');
    const areEnlisted = (since: number) =>
      Promise.all(['one', 'two', 'three'].map((each) => store.hasMember(list, each, since)));
    deepEqual(await areEnlisted(1000), [true, false, false]);
    await store.revokeBefore(list, 1005, 5000);
    deepEqual(await areEnlisted(1005), [false, false, false]);
    deepEqual(await areEnlisted(1006), [true, false, false]);
  },

  'end with their youngest member': async ({ store, newKey }) => {
    const list = newKey();
    const now = { at: 1000, staleBefore: 0, since: 1000 };
    await store.addMember(list, 'long', { ...now, ttl: 60_000 });
    await store.addMember(list, 'short', { ...now, ttl: 30 });
    equal((await store.members(list, 0, all)).length, 2);
    const shortLived = newKey();
    await store.addMember(shortLived, 'short', { ...now, ttl: 30 });
    await until(async () => (await store.members(shortLived, 0, all)).length === 0);
  },
};
