import { randomBytes } from 'node:crypto';
import { startDeadline, withDeadline } from '../../src/http/deadline.ts';

const { jest: timers } = import.meta;
const never = () => new Promise<never>(() => undefined);
const late = () => 'late' as const;
const tooLate = (): never => {
  throw new Error('too late');
};

describe('work with a deadline', () => {
  beforeEach(() => timers.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate'] }));
  afterEach(() => timers.useRealTimers());

  /** Advances the timers. The event loop goes round once after them. */
  const advance = async (milliseconds: number) => {
    await timers.advanceTimersByTimeAsync(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  };

  /** The outcome of a promise so far. */
  const watch = <T>(promise: Promise<T>) => {
    const seen: unknown[] = [];
    promise.then(
      (value) => seen.push(value),
      (error: Error) => seen.push(error.message),
    );
    return seen;
  };

  it.each([1, 50, 100, 101, 700, 10_000])('has %d milliseconds, no fewer', async (time) => {
    const seen = watch(withDeadline(never(), time, late));
    await advance(time - 1);
    expect(seen).toEqual([]);
    await advance(1);
    expect(seen).toEqual(['late']);
    expect(timers.getTimerCount()).toBe(0);
  });

  it('ends as the caller chooses: with a value or an error', async () => {
    const seen = [late, () => undefined, tooLate].map((atDeadline) =>
      watch<unknown>(withDeadline(never(), 200, atDeadline)),
    );
    await advance(200);
    expect(seen).toEqual([['late'], [undefined], ['too late']]);
  });

  it('has its own outcome before the deadline, and leaves no timer behind', async () => {
    const value = watch(withDeadline(Promise.resolve(1), 200, late));
    const error = watch(withDeadline(Promise.reject(new Error('x')), 200, late));
    await advance(0);
    expect([value, error]).toEqual([[1], ['x']]);
    expect(timers.getTimerCount()).toBe(0);
  });

  it('has its own outcome in the final stretch, and the deadline is not called', async () => {
    const atDeadline = timers.fn(late);
    const { promise, resolve } = Promise.withResolvers<number>();
    const seen = watch(withDeadline(promise, 200, atDeadline));
    await advance(150);
    resolve(1);
    await advance(1000);
    expect(seen).toEqual([1]);
    expect(atDeadline).not.toHaveBeenCalled();
    expect(timers.getTimerCount()).toBe(0);
  });
});

it('an error after the deadline is no unhandled rejection', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  const { promise, reject } = Promise.withResolvers<never>();
  await expect(withDeadline(promise, 1, late)).resolves.toBe('late');
  reject(new Error('x'));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

it('a deadline keeps the process alive only where it is told to', () => {
  const before = refs();
  const cancel = startDeadline(1000, () => undefined);
  expect(refs()).toBe(before);
  const cancelRef = startDeadline(1000, () => undefined, { keepsProcessAlive: true });
  expect(refs()).toBe(before + 1);
  cancel();
  cancelRef();
  expect(refs()).toBe(before);
});

it('looks for a response once more when the process was busy in the last moment', async () => {
  const outcome = await new Promise((resolve) => {
    const cancel = startDeadline(300, () => resolve('given up'));
    const respondLate = () => {
      randomBytes(8, () => {
        cancel();
        resolve('answered');
      });
      beBusy(150);
    };
    // An immediate, because timers are what comes next.
    setTimeout(() => setImmediate(respondLate), 250);
  });
  expect(outcome).toBe('answered');
});

/** The number of timers that keep the process alive. */
function refs(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

/** The process does nothing else in this time, as when it gets no processor. */
function beBusy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}
