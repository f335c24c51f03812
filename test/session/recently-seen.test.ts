import { RecentlySeen } from '../../src/session/recently-seen.ts';

describe('sessions seen recently', () => {
  function seenUpTo(interval: number) {
    let now = 0;
    const recently = new RecentlySeen(interval, () => now);
    return { recently, at: (time: number) => void (now = time) };
  }

  it('are noted once an interval, each for itself', () => {
    const { recently, at } = seenUpTo(100);
    expect(recently.note('one')).toBe(true);
    expect(recently.note('one')).toBe(false);
    expect(recently.note('two')).toBe(true);
    at(99);
    expect(recently.note('one')).toBe(false);
    at(100);
    expect(recently.note('one')).toBe(true);
    expect(recently.note('one')).toBe(false);
  });

  it('are noted again after being forgotten', () => {
    const { recently } = seenUpTo(100);
    recently.note('one');
    recently.forget('one');
    expect(recently.note('one')).toBe(true);
  });

  it('do not pile up: those seen longest ago are forgotten first', () => {
    const { recently } = seenUpTo(1e9);
    for (let n = 0; n <= 100_000; n += 1) recently.note(`session ${n}`);
    expect(recently.note('session 1')).toBe(false);
    expect(recently.note('session 0')).toBe(true);
  });
});
