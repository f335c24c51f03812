import { nameOfToken, Remembered } from '../../../src/oauth/bearer/remembered.ts';
import { frozenClock } from '../../support/time/clock.ts';

describe('what is remembered about tokens', () => {
  const clock = frozenClock();
  const end = clock.now() + 1000;
  const remembered = (limits: object = {}) =>
    new Remembered<string>({ mostValues: 3, largestSum: 100, ...limits }, clock.now);

  it('has a name that does not contain the token', () => {
    expect(nameOfToken('token')).toMatch(/^[\w-]{43}$/);
    expect(nameOfToken('token')).not.toBe(nameOfToken('other'));
  });

  it('is the newest values if there are too many', () => {
    const memory = remembered();
    for (const name of ['a', 'b', 'c', 'a', 'd']) memory.set(name, name, end, 1);
    const found = ['a', 'b', 'c', 'd'].map((name) => memory.get(name));
    expect(found).toEqual(['a', undefined, 'c', 'd']);
  });

  it('is the newest values if they are too large, also after one was replaced', () => {
    const memory = remembered();
    memory.set('a', 'a', end, 60);
    memory.set('a', 'a', end, 40);
    memory.set('b', 'b', end, 60);
    expect(memory.get('a')).toBe('a');
    memory.set('c', 'c', end, 1);
    expect(['a', 'b', 'c'].map((name) => memory.get(name))).toEqual([undefined, 'b', 'c']);
    memory.set('huge', 'huge', end, 101);
    expect(['b', 'c', 'huge'].map((name) => memory.has(name))).toEqual([false, false, false]);
  });
});
