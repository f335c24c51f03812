import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type ConformanceCases, until } from './conformance-case.ts';

/** What a store promises for its keys and values. */
export const valueCases: ConformanceCases = {
  'has nothing under a key that was never written': async ({ store, newKey }) => {
    const key = newKey();
    equal(await store.get(key), undefined);
    equal(await store.take(key), undefined);
    equal(await store.timeToLive(key), undefined);
    equal(await store.touch(key, 1000), false);
    equal(await store.remove(key), false);
    equal(await store.replace(key, '', 'value'), false);
    equal(await store.get(key), undefined);
  },

  'extends and removes only what has the expected value': async ({ store, newKey }) => {
    const key = newKey();
    await store.create(key, 'mine', 5000);
    equal(await store.extend(key, 'another', 60_000), false);
    equal(await store.extend(key, 'mine', 60_000), true);
    ok(((await store.timeToLive(key)) ?? 0) > 30_000);
    equal(await store.removeIf(key, 'another'), false);
    equal(await store.removeIf(key, 'mine'), true);
    equal(await store.removeIf(key, 'mine'), false);
    equal(await store.extend(key, 'mine', 60_000), false);
  },

  'replaces nothing for a caller that has lost the lock that fences the write': async ({
    store,
    prefix,
  }) => {
    const tag = `${prefix}{${randomBytes(8).toString('hex')}}`;
    const lock = { key: `${tag}:lock`, value: 'holder' };
    await store.create(tag, 'before', 5000);
    equal(await store.replace(tag, 'before', 'after', lock), false);
    await store.create(lock.key, 'another holder', 5000);
    equal(await store.replace(tag, 'before', 'after', lock), false);
    await store.replace(lock.key, 'another holder', 'holder');
    equal(await store.replace(tag, 'before', 'after', lock), true);
    equal(await store.get(tag), 'after');
  },

  'creates a key once: the first value stays': async ({ store, newKey }) => {
    const key = newKey();
    await store.create(key, 'first', 60_000);
    equal(await store.create(key, 'second', 1), false);
    equal(await store.get(key), 'first');
    ok(((await store.timeToLive(key)) ?? 0) > 50_000);
  },

  'lets one of twenty creators win': async ({ store, newKey }) => {
    const key = newKey();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => store.create(key, `${n}`, 60_000)),
    );
    equal(results.filter(Boolean).length, 1);
    equal(await store.get(key), String(results.indexOf(true)));
  },

  'replaces a value only while it is the one that was read': async ({ store, newKey }) => {
    const key = newKey();
    await store.create(key, 'first', 60_000);
    equal(await store.replace(key, 'other', 'lost'), false);
    equal(await store.get(key), 'first');
    equal(await store.replace(key, 'first', 'second'), true);
    equal(await store.get(key), 'second');
  },

  'keeps the time to live when it replaces': async ({ store, newKey }) => {
    const key = newKey();
    await store.create(key, 'first', 60_000);
    await store.replace(key, 'first', 'second');
    const left = await store.timeToLive(key);
    ok((left ?? 0) > 50_000);
    ok((left ?? Infinity) <= 60_000);
  },

  'lets one of twenty replacers win': async ({ store, newKey }) => {
    const key = newKey();
    await store.create(key, 'first', 60_000);
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => store.replace(key, 'first', `${n}`)),
    );
    equal(results.filter(Boolean).length, 1);
  },

  'gives a value to one of twenty takers, and keeps nothing': async ({ store, newKey }) => {
    const key = newKey();
    await store.create(key, 'once', 60_000);
    const taken = await Promise.all(Array.from({ length: 20 }, () => store.take(key)));
    deepEqual(
      taken.filter((value) => value !== undefined),
      ['once'],
    );
    equal(await store.get(key), undefined);
  },

  'forgets a value when its time is over': async ({ store, newKey }) => {
    const key = newKey();
    await store.create(key, 'short', 30);
    await until(async () => (await store.get(key)) === undefined);
    equal(await store.touch(key, 60_000), false);
    equal(await store.replace(key, 'short', 'again'), false);
    equal(await store.take(key), undefined);
    equal(await store.create(key, 'new', 60_000), true);
  },

  'begins a new time to live with a touch, longer or shorter': async ({ store, newKey }) => {
    const key = newKey();
    await store.create(key, 'value', 10_000);
    equal(await store.touch(key, 60_000), true);
    ok(((await store.timeToLive(key)) ?? 0) > 50_000);
    equal(await store.touch(key, 5_000.5), true);
    ok(((await store.timeToLive(key)) ?? Infinity) <= 5_001);
    equal(await store.get(key), 'value');
  },

  'never brings back with a touch or a replacement what was removed': async ({ store, newKey }) => {
    const key = newKey();
    await store.create(key, 'value', 60_000);
    equal(await store.remove(key), true);
    equal(await store.touch(key, 60_000), false);
    equal(await store.replace(key, 'value', 'value'), false);
    equal(await store.get(key), undefined);
  },

  'says what time it is by its own clock': async ({ store }) => {
    const began = Date.now();
    const times = [await store.time(), await store.time()];
    const [first = 0, second = 0] = times;
    equal(times.every(Number.isInteger), true);
    ok(first >= began - 1);
    ok(second >= first);
    ok((second ?? Infinity) <= Date.now() + 1);
  },

  'says that it is there': async ({ store }) => {
    equal(await store.ping(), undefined);
  },

  'reads a key and gives it a new time to live in one step, and brings none back': async ({
    store,
    newKey,
  }) => {
    const key = newKey();
    equal(await store.getAndTouch(key, 5000), undefined);
    equal(await store.get(key), undefined);
    await store.create(key, 'value', 1000);
    equal(await store.getAndTouch(key, 5000), 'value');
    ok(((await store.timeToLive(key)) ?? 0) > 4000);
  },

  'keeps a value as it was written': async ({ store, newKey }) => {
    for (const value of ['value', '', '🍪\u0000\r\n', 'x'.repeat(300_000)]) {
      const key = newKey();
      equal(await store.create(key, value, 60_000), true);
      equal(await store.get(key), value);
    }
  },
};
