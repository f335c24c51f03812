import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { UsedOnce } from '../../src/session/store/used-once.ts';
import { BffError } from '../../src/errors.ts';

const minute = 60_000;

describe('what may be used once', () => {
  let now: number;
  let store: MemoryKeyValueStore;
  let keys: Map<string, number>;
  let used: UsedOnce;
  let actions: number;
  beforeEach(() => {
    now = 1_800_000_000_000;
    actions = 0;
    keys = new Map();
    store = new (class extends MemoryKeyValueStore {
      override async create(key: string, value: string, ttl: number): Promise<boolean> {
        keys.set(key, ttl);
        return super.create(key, value, ttl);
      }
    })(() => now);
    used = new UsedOnce(store, 'used:', () => now);
  });
  const action = async () => void (actions += 1);
  const use = (id = 'a', expiresAt = now + 2 * minute) => used.use(id, expiresAt, action);

  it('is used once', async () => {
    expect([await use(), await use(), await use()]).toEqual([true, false, false]);
    expect(actions).toBe(1);
  });

  it('is known by its whole name', async () => {
    expect([await use('a'), await use('A'), await use('a ')]).toEqual([true, true, true]);
  });

  it('has one user among many at the same time', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => use()));
    expect(results.filter(Boolean)).toHaveLength(1);
  });

  it('is not used up by what fails', async () => {
    const outage = new BffError('session_store_unavailable');
    const failing = used.use('a', now + minute, () => Promise.reject(outage));
    await expect(failing).rejects.toBe(outage);
    expect(keys.size).toBe(0);
    await expect(use()).resolves.toBe(true);
  });

  it('is not used up while it is being done', async () => {
    const done = Promise.withResolvers<void>();
    const first = used.use('a', now + minute, () => done.promise);
    // Had that process died, the next would do its work.
    await expect(use()).resolves.toBe(true);
    done.resolve();
    await expect(first).resolves.toBe(false);
  });

  it.each([
    ['expires in two minutes', 2 * minute, 3 * minute],
    ['expires now', 0, minute],
    ['expired while it was used', -5 * minute, minute],
  ])('and %s is remembered until every clock says so', async (_, left, ttl) => {
    await use('a', now + left);
    expect([...keys.values()]).toEqual([ttl]);
  });

  it('is forgotten after that', async () => {
    await use();
    now += 3 * minute - 1;
    await expect(use()).resolves.toBe(false);
    now += 1;
    await expect(use()).resolves.toBe(true);
  });

  it('has a key of one hash tag that reveals nothing of it', async () => {
    await use('https://login.example.com alice');
    expect([...keys.keys()]).toEqual([expect.stringMatching(/^used:\{[\w-]{22,43}\}$/)]);
  });
});
