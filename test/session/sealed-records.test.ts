import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { recordNameOf, SealedRecords } from '../../src/session/store/sealed-records.ts';
import { Sealing } from '../../src/session/store/sealing.ts';

/** Records over a store whose keys and values a test can see. */
function openRecords() {
  const written = new Map<string, string>();
  const store = new MemoryKeyValueStore();
  const create = store.create.bind(store);
  store.create = (key, value, ttl) => {
    written.set(key, value);
    return create(key, value, ttl);
  };
  const sealing = new Sealing(['a session secret for tests, long enough']);
  return { written, store, records: new SealedRecords(store, sealing, 'bff:session:') };
}

describe('sealed records', () => {
  it('give back what was written under a secret', async () => {
    const { records } = openRecords();
    await expect(records.create('secret', 'text', 1000)).resolves.toBe(true);
    expect((await records.read('secret'))?.text).toBe('text');
    await expect(records.read('another')).resolves.toBeUndefined();
  });

  it('show the store neither the secret nor the text', async () => {
    const { records, written } = openRecords();
    await records.create(recordNameOf('canary-secret'), 'canary-text', 1000);
    const [[key = '', value = ''] = []] = [...written];
    expect(key).toMatch(/^bff:session:\{[\w-]{43}\}$/);
    for (const seen of [key, value, Buffer.from(value, 'base64url').toString('latin1')]) {
      expect(seen).not.toContain('canary');
    }
  });

  it('are worth nothing under another key: two users cannot be exchanged in the store', async () => {
    const { records, written, store } = openRecords();
    await records.create('alice', 'of alice', 1000);
    await records.create('bob', 'of bob', 1000);
    const [[keyOfAlice = '', valueOfAlice = ''] = [], [, valueOfBob = ''] = []] = [...written];
    await store.replace(keyOfAlice, valueOfAlice, valueOfBob);
    await expect(records.read('alice')).resolves.toBeUndefined();
    await expect(records.take('alice')).resolves.toBeUndefined();
    expect((await records.read('bob'))?.text).toBe('of bob');
  });

  it('are written again only if no other process did since they were read', async () => {
    const { records } = openRecords();
    await records.create('secret', 'first', 1000);
    const [one, other] = [await records.read('secret'), await records.read('secret')];
    await expect(records.replace('secret', one as never, 'second')).resolves.toBe(true);
    await expect(records.replace('secret', other as never, 'lost')).resolves.toBe(false);
    expect((await records.read('secret'))?.text).toBe('second');
  });

  it('are not brought back by a late write', async () => {
    const { records } = openRecords();
    await records.create('secret', 'first', 1000);
    const read = await records.read('secret');
    await records.remove('secret');
    await expect(records.replace('secret', read as never, 'late')).resolves.toBe(false);
    await expect(records.touch('secret', 1000)).resolves.toBe(false);
    await expect(records.read('secret')).resolves.toBeUndefined();
  });

  it('are taken once', async () => {
    const { records } = openRecords();
    await records.create('secret', 'text', 1000);
    const taken = await Promise.all(Array.from({ length: 20 }, () => records.take('secret')));
    expect(taken.filter(Boolean)).toEqual(['text']);
  });
});
