import type { KeyValueStore } from '../../src/session/store/key-value-store.ts';
import { conformance } from '../../src/store.ts';
import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { RedisKeyValueStore } from '../../src/session/store/redis/redis-key-value-store.ts';
import { testRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';

const ourCorner = await testRedis();

afterAll(() => ourCorner.close());

describe.each<[string, () => KeyValueStore]>([
  ['RedisKeyValueStore', () => new RedisKeyValueStore(ourCorner)],
  ['MemoryKeyValueStore', () => new MemoryKeyValueStore()],
])('%s', (_name, open) => {
  // Each test opens its own store, so that its first command is one that comes very early.
  it.each(conformance(open, { prefix: ourCorner.keyPrefix }))('$name', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe('the conformance tests', () => {
  /** A store that forgets to be atomic. */
  class CarelessStore extends MemoryKeyValueStore {
    override async take(key: string): Promise<string | undefined> {
      const value = await this.get(key);
      await this.remove(key);
      return value;
    }
  }

  it('fail for a store that breaks a promise, and say which', async () => {
    const failed: string[] = [];
    for (const { name, run } of conformance(() => new CarelessStore()))
      await run().catch((error: unknown) => failed.push(`${name} (${(error as Error).name})`));
    expect(failed).toEqual([
      'values: gives a value to one of twenty takers, and keeps nothing (AssertionError)',
    ]);
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
