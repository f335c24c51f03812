import { equal } from 'node:assert/strict';
import { type ConformanceCases, until } from './conformance-case.ts';

/** What a store promises for its slots. */
export const slotCases: ConformanceCases = {
  'are taken until there is none left, and free again when they are given back': async ({
    store,
    newKey,
  }) => {
    const key = newKey();
    const take = (member: string) => store.takeSlot(key, member, 2, 60_000);
    equal(await take('one'), true);
    equal(await take('two'), true);
    equal(await take('three'), false);
    await store.freeSlot(key, 'three');
    await store.freeSlot(key, 'stranger');
    equal(await take('three'), false);
    await store.freeSlot(key, 'one');
    equal(await take('three'), true);
    equal(await take('four'), false);
    equal(await store.takeSlot(newKey(), 'four', 2, 60_000), true);
  },

  'are never more than there are, however many are requested at once': async ({
    store,
    newKey,
  }) => {
    const key = newKey();
    const taken = await Promise.all(
      Array.from({ length: 50 }, (_, n) => store.takeSlot(key, `${n}`, 5, 60_000)),
    );
    equal(taken.filter(Boolean).length, 5);
  },

  'are free when their time is over, also while others are requested': async ({
    store,
    newKey,
  }) => {
    const key = newKey();
    equal(await store.takeSlot(key, 'one', 1, 50.5), true);
    equal(await store.takeSlot(key, 'two', 1, 50.5), false);
    await until(() => store.takeSlot(key, 'two', 1, 50.5));
    equal(await store.takeSlot(key, 'three', 1, 50.5), false);
  },
};
