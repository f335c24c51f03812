import { parseDuration, parseSize } from '../../src/config/values/units.ts';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['30m', 1_800_000],
    ['8h', 28_800_000],
    ['7d', 604_800_000],
    ['0s', 0],
    [' 2 H ', 7_200_000],
  ])('reads %j as %d milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each(['30', '', 's', '-5s', '1.5h', '1h30m', '5 weeks', '10mb', '999999999999999d'])(
    'does not guess what %j means',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});

describe('sizes', () => {
  it.each([
    ['512', 512],
    ['512b', 512],
    ['64kb', 65_536],
    ['50mb', 52_428_800],
    ['1gb', 1_073_741_824],
    ['2 MB', 2_097_152],
  ])('reads %j as %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'mb', '-1', '1.5mb', '10s', '1mib', '999999999999999gb'])(
    'does not guess what %j means',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );
});
