import { RecentlySeen } from '../../src/session/sessions/recently-seen.ts';

describe('sessions seen recently', () => {
  it('are known for an interval, each for itself', () => {
    let now = 0;
    const recently = new RecentlySeen(100, () => now);
    recently.record('one', 0);
    now = 50;
    recently.record('two', 50);
    expect([
      recently.lastSeen('one'),
      recently.lastSeen('two'),
      recently.lastSeen('three'),
    ]).toEqual([0, 50, undefined]);
    now = 100;
    expect([recently.lastSeen('one'), recently.lastSeen('two')]).toEqual([undefined, 50]);
    recently.record('one', 100);
    expect(recently.lastSeen('one')).toBe(100);
  });

  it('do not pile up: those seen longest ago are forgotten first', () => {
    const recently = new RecentlySeen(1e9, () => 0);
    for (let n = 0; n < 100_000; n += 1) recently.record(`session ${n}`, 0);
    recently.record('session 0', 0);
    recently.record('one more', 0);
    expect(recently.lastSeen('session 0')).toBe(0);
    expect(recently.lastSeen('session 1')).toBeUndefined();
  });
});
