import { type Arrival, maxReloads, nextStep } from '../../src/session/navigation/arrival.ts';

const usual: Arrival = {
  site: 'none',
  isFromHere: false,
  reloads: undefined,
  keepsCookies: false,
};

describe('a signed-out navigation with a Strict session cookie', () => {
  it.each<[string, Partial<Arrival>, string]>([
    ['typed', {}, 'sign-in'],
    ['from our own page', { site: 'same-origin' }, 'sign-in'],
    ['of a browser that does not tell', { site: undefined }, 'sign-in'],
    ['of a browser that tells something else', { site: 'elsewhere' }, 'sign-in'],
    ['from another site', { site: 'cross-site' }, 'reload'],
    ['from a sibling', { site: 'same-site' }, 'reload'],
    ['after a reload', { site: 'same-origin', isFromHere: true, keepsCookies: true }, 'sign-in'],
    ['after a reload, no cookies', { site: 'same-origin', isFromHere: true }, 'stuck'],
    [
      'after a reload, still foreign, no cookies',
      { site: 'cross-site', isFromHere: true },
      'stuck',
    ],
    [
      'after a reload, without Sec-Fetch-Site, no cookies',
      { site: undefined, isFromHere: true },
      'stuck',
    ],
    [
      'after a reload, without Sec-Fetch-Site',
      { site: undefined, isFromHere: true, reloads: 1 },
      'sign-in',
    ],
    ['just after a sign-in, foreign', { site: 'cross-site', reloads: 0 }, 'reload'],
    ['just after a sign-in, without Sec-Fetch-Site', { site: undefined, reloads: 0 }, 'reload'],
    ['just after a sign-in, as if typed', { site: 'none', reloads: 0 }, 'reload'],
    ['for the second time', { site: 'cross-site', reloads: 1 }, 'reload'],
    ['once too often', { site: 'cross-site', reloads: maxReloads }, 'stuck'],
    ['once too often, as if typed', { site: 'none', reloads: maxReloads }, 'stuck'],
    ['with a count that is a lie', { site: 'cross-site', reloads: 9 }, 'stuck'],
  ])('%s', (_how, changes, step) => {
    const keepsCookies = changes.reloads !== undefined;
    expect(nextStep({ ...usual, keepsCookies, ...changes })).toBe(step);
  });

  it('is not reloaded for ever, whatever the browser sends', () => {
    const sites = ['cross-site', 'same-site', 'same-origin', 'none', undefined];
    for (const site of sites)
      for (const isFromHere of [true, false]) {
        const arrival = { site, isFromHere, keepsCookies: true };
        const steps = [0, 1, 2, 3].map((reloads) => nextStep({ ...arrival, reloads }));
        expect(steps.slice(maxReloads)).not.toContain('reload');
      }
  });
});
