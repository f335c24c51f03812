import { equal } from 'node:assert/strict';
import { type ConformanceCases, until } from './conformance-case.ts';

/** What a store promises for its places. */
export const placeCases: ConformanceCases = {
  'are taken until there is none left, and free again when they are given back': async ({
    store,
    newKey,
  }) => {
    const key = newKey();
    const take = (member: string) => store.takePlace(key, member, 2, 60_000);
    equal(await take('one'), true);
    equal(await take('two'), true);
    equal(await take('three'), false);
    await store.freePlace(key, 'three');
    await store.freePlace(key, 'stranger');
    equal(await take('three'), false);
    await store.freePlace(key, 'one');
    equal(await take('three'), true);
    equal(await take('four'), false);
    equal(await store.takePlace(newKey(), 'four', 2, 60_000), true);
  },

  'are never more than there are, however many are requested at once': async ({
    store,
    newKey,
  }) => {
    const key = newKey();
    const taken = await Promise.all(
      Array.from({ length: 50 }, (_, n) => store.takePlace(key, `${n}`, 5, 60_000)),
    );
    equal(taken.filter(Boolean).length, 5);
  },

  'are free when their time is over, also while others are requested': async ({
    store,
    newKey,
  }) => {
    const key = newKey();
    equal(await store.takePlace(key, 'one', 1, 50.5), true);
    equal(await store.takePlace(key, 'two', 1, 50.5), false);
    await until(() => store.takePlace(key, 'two', 1, 50.5));
    equal(await store.takePlace(key, 'three', 1, 50.5), false);
  },
};
