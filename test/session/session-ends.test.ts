import { SessionEnds } from '../../src/session/session-ends.ts';
import type { SessionStore } from '../../src/session/session-store.ts';

const { jest: timers } = import.meta;

/** A store that counts what it is asked, and fails or hangs on demand. */
function fakeStore() {
  const gone = new Set<string>();
  const store = {
    asked: [] as string[],
    fails: false,
    ended: (_id: string): void => undefined,
    gone,
    onEnd: (listener: (id: string) => void) => void (store.ended = listener),
    idleExpiry: async (id: string): Promise<number | undefined> => {
      store.asked.push(id);
      if (store.fails) throw new Error('down');
      return gone.has(id) ? undefined : 1;
    },
  };
  return { store, ends: new SessionEnds(store as unknown as SessionStore) };
}

beforeEach(() => timers.useFakeTimers());
afterEach(() => timers.useRealTimers());

describe('the end of a session', () => {
  it('on this replica is told at once, to each listener once', () => {
    const { store, ends } = fakeStore();
    const told: string[] = [];
    ends.onEnd('a', () => told.push('first'));
    ends.onEnd('a', () => told.push('second'));
    ends.onEnd('b', () => told.push('b'));
    store.ended('a');
    store.ended('a');
    expect(told).toEqual(['first', 'second']);
  });

  it('elsewhere is told within a second, however many sessions are waited for', async () => {
    const { store, ends } = fakeStore();
    const told = new Set<string>();
    const ids = Array.from({ length: 5000 }, (_, index) => `s${index}`);
    for (const id of ids) ends.onEnd(id, () => told.add(id));
    for (const id of ids.slice(0, 100)) store.gone.add(id);
    await timers.advanceTimersByTimeAsync(750);
    expect(told.size).toBe(100);
  });

  it('is looked for once a round for each session, a few at a time', async () => {
    const { store, ends } = fakeStore();
    for (let index = 0; index < 1400; index += 1) ends.onEnd(`s${index}`, () => undefined);
    ends.onEnd('s0', () => undefined);
    await timers.advanceTimersByTimeAsync(50);
    expect(store.asked).toHaveLength(100);
    await timers.advanceTimersByTimeAsync(1350);
    expect(store.asked).toHaveLength(2800);
    expect(new Set(store.asked).size).toBe(1400);
  });

  it('is not looked for when nobody waits', async () => {
    const { store, ends } = fakeStore();
    const forget = ends.onEnd('a', () => undefined);
    forget();
    await timers.advanceTimersByTimeAsync(2000);
    expect([store.asked, timers.getTimerCount()]).toEqual([[], 0]);
  });

  it('is not what an outage means, and is told after it', async () => {
    const { store, ends } = fakeStore();
    let told = 0;
    ends.onEnd('a', () => (told += 1));
    store.fails = true;
    store.gone.add('a');
    await timers.advanceTimersByTimeAsync(3000);
    expect(told).toBe(0);
    store.fails = false;
    await timers.advanceTimersByTimeAsync(800);
    expect(told).toBe(1);
  });

  it('is asked for by one question at a time while the store hangs', async () => {
    const { store, ends } = fakeStore();
    ends.onEnd('a', () => undefined);
    store.idleExpiry = (id) => {
      store.asked.push(id);
      return new Promise(() => undefined);
    };
    await timers.advanceTimersByTimeAsync(10_000);
    expect(store.asked).toEqual(['a']);
  });
});
