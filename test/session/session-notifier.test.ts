import type { RecordWatcher } from '../../src/session/store/sealed-records.ts';
import { SessionNotifier } from '../../src/session/sessions/session-notifier.ts';
import type { SessionStore } from '../../src/session/sessions/session-store.ts';

const { jest: timers } = import.meta;

/** A store that counts what it is asked, and fails or hangs on demand. */
function fakeStore() {
  const watchers: RecordWatcher[] = [];
  const store = {
    requested: [] as string[],
    fails: false,
    /** Milliseconds each session has left. */
    left: new Map<string, number>(),
    notify: (id?: string) => watchers.forEach((watcher) => watcher(id)),
    watch: (watcher: RecordWatcher) => void watchers.push(watcher),
    timeLeft: async (id: string): Promise<number | undefined> => {
      store.requested.push(id);
      if (store.fails) throw new Error('down');
      return store.left.get(id);
    },
  };
  const ends = new SessionNotifier(store as unknown as SessionStore);
  const wait = (id: string, left = 60_000) => {
    const ended: string[] = [];
    store.left.set(id, left);
    const forget = ends.onEnd(id, () => ended.push(id));
    return { ended, forget };
  };
  return { store, ends, wait };
}

beforeEach(() => timers.useFakeTimers());
afterEach(() => timers.useRealTimers());

const turn = () => timers.advanceTimersByTimeAsync(0);

describe('the end of a session', () => {
  it('is notified at once when it is ended, to each listener once', async () => {
    const { store, wait } = fakeStore();
    const [first, second, other] = [wait('a'), wait('a'), wait('b')];
    await turn();
    store.left.delete('a');
    store.notify('a');
    store.notify('a');
    await turn();
    store.notify('a');
    await turn();
    expect([first.ended, second.ended, other.ended]).toEqual([['a'], ['a'], []]);
  });

  it('is notified at once when it has come already', async () => {
    const { ends } = fakeStore();
    let calls = 0;
    ends.onEnd('a', () => (calls += 1));
    await turn();
    expect(calls).toBe(1);
  });

  it('is notified when its time is over, which use of the session postpones', async () => {
    const { store, wait } = fakeStore();
    const [used, unused] = [wait('used', 1000), wait('unused', 1000)];
    await turn();
    store.left.set('used', 500).delete('unused');
    await timers.advanceTimersByTimeAsync(1100);
    expect([used.ended, unused.ended]).toEqual([[], ['unused']]);
    store.left.delete('used');
    await timers.advanceTimersByTimeAsync(600);
    expect(used.ended).toEqual(['used']);
    expect(store.requested).toHaveLength(5);
  });

  it('of any of thousands is notified when messages may have been missed', async () => {
    const { store, wait } = fakeStore();
    const all = Array.from({ length: 5000 }, (_, index) => wait(`s${index}`));
    await turn();
    for (let index = 0; index < 100; index += 1) store.left.delete(`s${index}`);
    store.notify();
    await turn();
    expect(all.flatMap(({ ended }) => ended)).toHaveLength(100);
    expect(store.requested).toHaveLength(10_000);
  });

  it('of one that was checked is notified when more messages are missed before the last check', async () => {
    const { store, wait } = fakeStore();
    const all = Array.from({ length: 500 }, (_, index) => wait(`s${index}`));
    await turn();
    const timeLeft = store.timeLeft;
    const { promise: slow, resolve } = Promise.withResolvers<void>();
    store.timeLeft = async (id) => {
      if (id === 's499') await slow;
      return timeLeft(id);
    };
    store.notify();
    await turn();
    store.left.delete('s0');
    store.notify();
    resolve();
    await turn();
    expect(all.flatMap(({ ended }) => ended)).toEqual(['s0']);
  });

  it('is not looked for when nothing happens, and not without listeners', async () => {
    const { store, wait } = fakeStore();
    const { forget } = wait('a');
    await timers.advanceTimersByTimeAsync(50_000);
    expect(store.requested).toEqual(['a']);
    forget();
    store.notify('a');
    await timers.advanceTimersByTimeAsync(50_000);
    expect([store.requested, timers.getTimerCount()]).toEqual([['a'], 0]);
  });

  it('is not what an outage means, and is notified after it', async () => {
    const { store, wait } = fakeStore();
    const { ended } = wait('a');
    await turn();
    store.fails = true;
    store.left.delete('a');
    store.notify();
    await timers.advanceTimersByTimeAsync(3000);
    expect(ended).toEqual([]);
    store.fails = false;
    await timers.advanceTimersByTimeAsync(600);
    expect(ended).toEqual(['a']);
  });

  it('is looked up by one query at a time, and again when a message comes meanwhile', async () => {
    const { store, wait } = fakeStore();
    const pending: ((left: number | undefined) => void)[] = [];
    store.timeLeft = (id) => {
      store.requested.push(id);
      return new Promise((resolve) => pending.push(resolve));
    };
    const { ended } = wait('a');
    store.notify('a');
    store.notify('a');
    await timers.advanceTimersByTimeAsync(10_000);
    expect(store.requested).toEqual(['a']);
    pending[0]?.(60_000);
    await timers.advanceTimersByTimeAsync(1);
    expect(store.requested).toEqual(['a', 'a']);
    pending[1]?.(undefined);
    await turn();
    expect(ended).toEqual(['a']);
  });
});
