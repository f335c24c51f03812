import { type Arrival, mostRounds, nextStep } from '../../src/session/navigation/arrival.ts';

const usual: Arrival = {
  site: 'none',
  isFromHere: false,
  rounds: undefined,
  keepsCookies: false,
};

describe('a signed-out navigation with a Strict session cookie', () => {
  it.each<[string, Partial<Arrival>, string]>([
    ['typed', {}, 'sign-in'],
    ['from our own page', { site: 'same-origin' }, 'sign-in'],
    ['of a browser that does not tell', { site: undefined }, 'sign-in'],
    ['of a browser that tells something else', { site: 'elsewhere' }, 'sign-in'],
    ['from another site', { site: 'cross-site' }, 'round'],
    ['from a sibling', { site: 'same-site' }, 'round'],
    ['after a round', { site: 'same-origin', isFromHere: true, keepsCookies: true }, 'sign-in'],
    ['after a round, no cookies', { site: 'same-origin', isFromHere: true }, 'stuck'],
    ['after a round, still foreign, no cookies', { site: 'cross-site', isFromHere: true }, 'stuck'],
    ['after a round, untold, no cookies', { site: undefined, isFromHere: true }, 'stuck'],
    ['after a round, untold', { site: undefined, isFromHere: true, rounds: 1 }, 'sign-in'],
    ['just after a sign-in, foreign', { site: 'cross-site', rounds: 0 }, 'round'],
    ['just after a sign-in, untold', { site: undefined, rounds: 0 }, 'round'],
    ['just after a sign-in, as if typed', { site: 'none', rounds: 0 }, 'round'],
    ['for the second time', { site: 'cross-site', rounds: 1 }, 'round'],
    ['once too often', { site: 'cross-site', rounds: mostRounds }, 'stuck'],
    ['once too often, as if typed', { site: 'none', rounds: mostRounds }, 'stuck'],
    ['with a count that is a lie', { site: 'cross-site', rounds: 9 }, 'stuck'],
  ])('%s', (_how, changes, step) => {
    const keepsCookies = changes.rounds !== undefined;
    expect(nextStep({ ...usual, keepsCookies, ...changes })).toBe(step);
  });

  it('is never sent round for ever, whatever the browser says', () => {
    const sites = ['cross-site', 'same-site', 'same-origin', 'none', undefined];
    for (const site of sites)
      for (const isFromHere of [true, false]) {
        const arrival = { site, isFromHere, keepsCookies: true };
        const steps = [0, 1, 2, 3].map((rounds) => nextStep({ ...arrival, rounds }));
        expect(steps.slice(mostRounds)).not.toContain('round');
      }
  });
});
