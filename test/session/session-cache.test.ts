import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { SealedRecords } from '../../src/session/store/sealed-records.ts';
import { Sealing } from '../../src/session/store/sealing.ts';
import { SessionCache } from '../../src/session/sessions/session-cache.ts';
import { SessionIndex } from '../../src/session/sessions/session-index.ts';
import { SessionStore } from '../../src/session/sessions/session-store.ts';
import type { KeyWatcher } from '../../src/session/store/key-value-store.ts';
import { recordNameOf } from '../../src/session/store/sealed-records.ts';
import type { Session } from '../../src/session/sessions/session.ts';

const minute = 60_000;
const limits = { idle: 30 * minute, absolute: 8 * 60 * minute };

/**
 * A store that is watched, counts what it is asked, and can be slow: its answers leave it only when
 * they are let go.
 */
class WatchedStore extends MemoryKeyValueStore {
  readonly commands: string[] = [];
  readonly watchers: KeyWatcher[] = [];
  gate: Promise<void> = Promise.resolve();
  isDown = false;

  override watch(watcher?: KeyWatcher): void {
    if (watcher) this.watchers.push(watcher);
  }

  override async get(key: string): Promise<string | undefined> {
    return this.#record('get', await super.get(key));
  }

  override async getAndTouch(key: string, ttl: number): Promise<string | undefined> {
    await this.touch(key, ttl);
    return this.#record('getAndTouch', await super.get(key));
  }

  async #record<T>(command: string, value: T): Promise<T> {
    this.commands.push(command);
    await this.gate;
    if (this.isDown) throw new Error('down');
    return value;
  }
}

function openCache({ capacity = 1e6 } = {}) {
  let now = 0;
  const clock = () => now;
  const values = new WatchedStore(clock);
  const secrets = ['a session secret for tests, long enough'];
  const records = new SealedRecords(values, new Sealing(secrets), 'session:');
  const index = new SessionIndex(values, 'index:', { secrets, idle: limits.idle }, clock);
  const store = new SessionStore(records, index, values, limits, clock, () => true);
  const cache = new SessionCache(store, limits.idle, clock, capacity);
  const begin = async (): Promise<string> => {
    const secret = randomUUID();
    const id = recordNameOf(secret);
    const signedIn = {
      id,
      provider: 'corp',
      issuer: 'https://login.example.com',
      clientId: 'spa',
      begunAt: 0,
      sub: 'alice',
      claims: {},
      tokens: { accessToken: 'token', obtainedAt: now },
      createdAt: now,
      expiresAt: now + limits.absolute,
    } satisfies Session;
    await store.begin(secret, { cookie: { originalMaxAge: null }, signedIn } as never);
    return id;
  };
  const commandsOf = async (action: () => unknown) => {
    values.commands.length = 0;
    await action();
    return values.commands.splice(0);
  };
  const at = (time: number) => void (now = time);
  return { values, store, cache, begin, at, commandsOf };
}

describe('the session cache', () => {
  it('reads the store once, and then responds at once', async () => {
    const { cache, begin, commandsOf } = openCache();
    const id = await begin();
    expect(await commandsOf(() => cache.use(id))).toEqual(['getAndTouch']);
    expect(await commandsOf(() => expect(cache.use(id)).toMatchObject({ id }))).toEqual([]);
  });

  it('reads once for many simultaneous callers', async () => {
    const { cache, begin, commandsOf } = openCache();
    const id = await begin();
    const many = () => Promise.all(Array.from({ length: 50 }, () => cache.use(id)));
    expect(await commandsOf(many)).toEqual(['getAndTouch']);
  });

  it('does not remember that there is no session', async () => {
    const { cache, commandsOf } = openCache();
    const use = async () => expect(await cache.use('nobody')).toBeUndefined();
    expect(await commandsOf(use)).toEqual(['getAndTouch']);
    expect(await commandsOf(use)).toEqual(['getAndTouch']);
  });

  it('forgets a session that is ended here, and one that is changed elsewhere', async () => {
    const { cache, store, values, begin, commandsOf } = openCache();
    const [ended, changed] = [await begin(), await begin()];
    await Promise.all([cache.use(ended), cache.use(changed)]);
    await store.end(ended);
    expect(await cache.use(ended)).toBeUndefined();
    for (const { changed: notify } of values.watchers) notify(`session:{${changed}}`);
    // It was used a moment ago: a write now would make every other replica forget it.
    expect(await commandsOf(() => cache.use(changed))).toEqual(['get']);
    for (const { changed: notify } of values.watchers) notify(`session:{${changed}}:refresh`);
    expect(await commandsOf(() => cache.use(changed))).toEqual([]);
  });

  it('forgets everything when it may have missed something', async () => {
    const { cache, values, begin } = openCache();
    const id = await begin();
    await cache.use(id);
    values.isDown = true;
    for (const { missedChanges } of values.watchers) missedChanges();
    await expect(cache.use(id)).rejects.toThrow('down');
    values.isDown = false;
    await expect(cache.use(id)).resolves.toMatchObject({ id });
  });

  it.each([
    ['ended', (store: SessionStore, id: string) => store.end(id)],
    [
      'changed elsewhere',
      (_: SessionStore, id: string, { changed }: KeyWatcher) => changed(`session:{${id}}`),
    ],
    [
      'among those that may have changed',
      (_: SessionStore, __: string, { missedChanges }: KeyWatcher) => missedChanges(),
    ],
  ])('does not remember what it read of a session that was %s meanwhile', async (_, change) => {
    const { cache, store, values, begin, commandsOf } = openCache();
    const id = await begin();
    const { promise, resolve } = Promise.withResolvers<void>();
    values.gate = promise;
    const pending = cache.use(id);
    await turn();
    for (const watcher of values.watchers) await change(store, id, watcher);
    // Who comes now is not given the answer to the earlier question.
    let again: unknown;
    const commands = await commandsOf(async () => {
      again = cache.use(id);
      await turn();
    });
    expect(commands).toHaveLength(1);
    resolve();
    await Promise.all([pending, again]);
  });

  it('renews the idle time of a session in use, once in its sixtieth', async () => {
    const { cache, store, begin, at, commandsOf } = openCache();
    const id = await begin();
    await cache.use(id);
    at(29_999);
    expect(await commandsOf(() => cache.use(id))).toEqual([]);
    at(30_000);
    const commands = await commandsOf(async () => {
      expect(cache.use(id)).toMatchObject({ id });
      await turn();
    });
    expect(commands).toEqual(['getAndTouch']);
    await expect(store.idleExpiry(id)).resolves.toBe(30_000 + limits.idle);
    expect(await commandsOf(() => cache.use(id))).toEqual([]);
  });

  it('serves no session beyond its idle time, or beyond its end', async () => {
    const { cache, begin, at } = openCache();
    const id = await begin();
    await cache.use(id);
    at(limits.idle);
    expect(await cache.use(id)).toBeUndefined();
    const other = await begin();
    for (let time = limits.idle; time < limits.idle + limits.absolute; time += minute) {
      at(time);
      expect(await cache.use(other)).toMatchObject({ id: other });
    }
    at(limits.idle + limits.absolute);
    expect(await cache.use(other)).toBeUndefined();
  });

  it('is no larger than it may be: a newcomer takes the place of one that is not used', async () => {
    const { cache, begin, commandsOf } = openCache({ capacity: 1000 });
    const ids = [await begin(), await begin(), await begin(), await begin(), await begin()];
    const isRemembered = async (id = '') => (await commandsOf(() => cache.use(id))).length === 0;
    for (const id of ids) await cache.use(id);
    const remembered: boolean[] = [];
    for (const id of ids.toReversed()) remembered.push(await isRemembered(id));
    expect(remembered.filter(Boolean).length).toBeGreaterThan(0);
    expect(remembered.filter(Boolean).length).toBeLessThan(5);
  });

  it('has some of many that are requested in turn, however many there are', async () => {
    const { cache, begin, commandsOf } = openCache({ capacity: 4000 });
    const ids: string[] = [];
    for (let n = 0; n < 40; n += 1) ids.push(await begin());
    const use = async () => {
      for (const id of ids) await cache.use(id);
    };
    for (let round = 0; round < 5; round += 1) await use();
    const commands = await commandsOf(use);
    expect(commands.length).toBeLessThan(ids.length);
  });

  it('lets those in that are used again and again, when many pass once', async () => {
    const { cache, begin, commandsOf } = openCache({ capacity: 2000 });
    const id = await begin();
    for (let n = 0; n < 50; n += 1) {
      await cache.use(await begin());
      await cache.use(id);
      await cache.use(id);
    }
    expect(await commandsOf(() => cache.use(id))).toEqual([]);
  });
});
