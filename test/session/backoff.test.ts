import { BffError } from '../../src/errors.ts';
import { Backoff } from '../../src/session/tokens/backoff.ts';

const error = new BffError('provider_unavailable', { cause: new Error('down') });

describe('a pause', () => {
  let now: number;
  let pauses: Backoff;
  beforeEach(() => {
    now = 0;
    pauses = new Backoff(() => now);
  });

  const left = (name = 'corp') => pauses.failureOf(name)?.headers['Retry-After'];

  it('is not there before a failure, and names the failure while it lasts', () => {
    expect(pauses.failureOf('corp')).toBeUndefined();
    expect(pauses.hasFailed('corp')).toBe(false);
    pauses.begin('corp', error);
    expect(pauses.failureOf('corp')).toMatchObject({ code: 'provider_unavailable', cause: error });
    expect(pauses.failureOf('other')).toBeUndefined();
  });

  it('is twice as long each time, thirty seconds at most', () => {
    for (const length of [1, 2, 4, 8, 16, 30, 30]) {
      pauses.begin('corp', error);
      expect(left()).toBe(String(length));
      now += length * 1000 - 1;
      expect(left()).toBe('1');
      now += 1;
      expect(left()).toBeUndefined();
      expect(pauses.hasFailed('corp')).toBe(true);
    }
  });

  it('is as long as requested, and the next is as long as it would have been', () => {
    pauses.begin('corp', error, 60);
    expect(left()).toBe('60');
    now = 60_000;
    pauses.begin('corp', error, 1);
    expect(left()).toBe('2');
  });

  it('is not made longer by failures during it', () => {
    pauses.begin('corp', error);
    pauses.begin('corp', error, 300);
    expect(left()).toBe('1');
    now = 1000;
    pauses.begin('corp', error);
    expect(left()).toBe('2');
  });

  it('ends with a success, and the next one is a first one', () => {
    pauses.begin('corp', error);
    now = 1000;
    pauses.begin('corp', error);
    pauses.end('corp');
    expect(left()).toBeUndefined();
    expect(pauses.hasFailed('corp')).toBe(false);
    pauses.begin('corp', error);
    expect(left()).toBe('1');
  });

  it('is forgotten when there are too many of them, the oldest first', () => {
    for (let n = 0; n <= 10_000; n += 1) pauses.begin(`session ${n}`, error);
    expect(left('session 0')).toBeUndefined();
    expect(left('session 1')).toBe('1');
    expect(left('session 10000')).toBe('1');
  });
});
