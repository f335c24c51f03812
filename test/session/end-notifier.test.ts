import type { RecordWatcher } from '../../src/session/store/sealed-records.ts';
import { EndNotifier } from '../../src/session/sessions/end-notifier.ts';
import type { SessionStore } from '../../src/session/sessions/session-store.ts';

const { jest: timers } = import.meta;

/** A store that counts what it is asked, and fails or hangs on demand. */
function fakeStore() {
  const watchers: RecordWatcher[] = [];
  const store = {
    asked: [] as string[],
    fails: false,
    /** Milliseconds each session has left. */
    left: new Map<string, number>(),
    tell: (id?: string) => watchers.forEach((watcher) => watcher(id)),
    watch: (watcher: RecordWatcher) => void watchers.push(watcher),
    timeLeft: async (id: string): Promise<number | undefined> => {
      store.asked.push(id);
      if (store.fails) throw new Error('down');
      return store.left.get(id);
    },
  };
  const ends = new EndNotifier(store as unknown as SessionStore);
  const wait = (id: string, left = 60_000) => {
    const told: string[] = [];
    store.left.set(id, left);
    const forget = ends.onEnd(id, () => told.push(id));
    return { told, forget };
  };
  return { store, ends, wait };
}

beforeEach(() => timers.useFakeTimers());
afterEach(() => timers.useRealTimers());

const turn = () => timers.advanceTimersByTimeAsync(0);

describe('the end of a session', () => {
  it('is told at once when somebody ends it, to each listener once', async () => {
    const { store, wait } = fakeStore();
    const [first, second, other] = [wait('a'), wait('a'), wait('b')];
    await turn();
    store.left.delete('a');
    store.tell('a');
    store.tell('a');
    await turn();
    store.tell('a');
    await turn();
    expect([first.told, second.told, other.told]).toEqual([['a'], ['a'], []]);
  });

  it('is told at once when it has come already', async () => {
    const { ends } = fakeStore();
    let told = 0;
    ends.onEnd('a', () => (told += 1));
    await turn();
    expect(told).toBe(1);
  });

  it('is told when its time is over, and not before that of a session that was used meanwhile', async () => {
    const { store, wait } = fakeStore();
    const [used, unused] = [wait('used', 1000), wait('unused', 1000)];
    await turn();
    store.left.set('used', 500).delete('unused');
    await timers.advanceTimersByTimeAsync(1100);
    expect([used.told, unused.told]).toEqual([[], ['unused']]);
    store.left.delete('used');
    await timers.advanceTimersByTimeAsync(600);
    expect(used.told).toEqual(['used']);
    expect(store.asked).toHaveLength(5);
  });

  it('of any of thousands is told when news may have been missed', async () => {
    const { store, wait } = fakeStore();
    const all = Array.from({ length: 5000 }, (_, index) => wait(`s${index}`));
    await turn();
    for (let index = 0; index < 100; index += 1) store.left.delete(`s${index}`);
    store.tell();
    await turn();
    expect(all.flatMap(({ told }) => told)).toHaveLength(100);
    expect(store.asked).toHaveLength(10_000);
  });

  it('of one that was looked at is told when more news is missed before the last was looked at', async () => {
    const { store, wait } = fakeStore();
    const all = Array.from({ length: 500 }, (_, index) => wait(`s${index}`));
    await turn();
    const answer = store.timeLeft;
    const { promise: slow, resolve } = Promise.withResolvers<void>();
    store.timeLeft = async (id) => {
      if (id === 's499') await slow;
      return answer(id);
    };
    store.tell();
    await turn();
    store.left.delete('s0');
    store.tell();
    resolve();
    await turn();
    expect(all.flatMap(({ told }) => told)).toEqual(['s0']);
  });

  it('is not looked for when nothing happens, and not when nobody waits', async () => {
    const { store, wait } = fakeStore();
    const { forget } = wait('a');
    await timers.advanceTimersByTimeAsync(50_000);
    expect(store.asked).toEqual(['a']);
    forget();
    store.tell('a');
    await timers.advanceTimersByTimeAsync(50_000);
    expect([store.asked, timers.getTimerCount()]).toEqual([['a'], 0]);
  });

  it('is not what an outage means, and is told after it', async () => {
    const { store, wait } = fakeStore();
    const { told } = wait('a');
    await turn();
    store.fails = true;
    store.left.delete('a');
    store.tell();
    await timers.advanceTimersByTimeAsync(3000);
    expect(told).toEqual([]);
    store.fails = false;
    await timers.advanceTimersByTimeAsync(600);
    expect(told).toEqual(['a']);
  });

  it('is asked for by one question at a time, and again when news comes meanwhile', async () => {
    const { store, wait } = fakeStore();
    const answers: ((left: number | undefined) => void)[] = [];
    store.timeLeft = (id) => {
      store.asked.push(id);
      return new Promise((resolve) => answers.push(resolve));
    };
    const { told } = wait('a');
    store.tell('a');
    store.tell('a');
    await timers.advanceTimersByTimeAsync(10_000);
    expect(store.asked).toEqual(['a']);
    answers[0]?.(60_000);
    await timers.advanceTimersByTimeAsync(1);
    expect(store.asked).toEqual(['a', 'a']);
    answers[1]?.(undefined);
    await turn();
    expect(told).toEqual(['a']);
  });
});
