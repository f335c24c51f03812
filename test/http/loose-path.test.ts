import {
  array,
  assert,
  constantFrom,
  oneof,
  property,
  shuffledSubarray,
  string,
  tuple,
} from 'fast-check';
import { BffError } from '../../src/errors.ts';
import { isPlainForm, looseForm } from '../../src/http/loose-path.ts';
import { canonicalTarget } from '../../src/proxy/path.ts';
import { Routes } from '../../src/proxy/routes.ts';
import { route } from '../support/bff/route.ts';

describe('the loose form of a path', () => {
  it.each([
    ['/', '/'],
    ['/api', '/api'],
    ['/api/', '/api'],
    ['/api/admin/x', '/api/admin/x'],
    ['/api/Admin', '/api/admin'],
    ['/api/admin;v=1/x;y', '/api/admin/x'],
    ['/api/;v=1/admin', '/api/admin'],
    ['/;/api/ /admin', '/api/admin'],
    ['/api/admin. . /x', '/api/admin/x'],
    ['/api/ admin ', '/api/admin'],
    ['/api/admin\u00a0\u2003\ufeff\u3000', '/api/admin'],
    ['/api/admin ;x', '/api/admin'],
    ['/api/.well-known/a.b', '/api/.well-known/a.b'],
    ['/api/...', '/api'],
    ['/\u017fea\u212aer', '/seaker'],
    ['/stra\u00dfe', '/strasse'],
    ['/STRA\u1e9eE', '/strasse'],
    ['/\ufb01le/o\ufb00er/\ufb05', '/file/offer/st'],
    ['/adm\u0130n/adm\u0131n/admi\u0307n', '/admin/admin/admin'],
    ['/\u039f\u0394\u039f\u03a3', '/\u03bf\u03b4\u03bf\u03c2'],
  ])('%j is %j', (path, loose) => {
    expect(looseForm(path)).toBe(loose);
  });

  it('has the same letter for all that Unicode folds to one', () => {
    const letters = /[a-z]/iu;
    const codes = Array.from({ length: 0x11_00_00 - 0x80 }, (_, index) => index + 0x80);
    const folded = codes
      .map((code) => String.fromCodePoint(code))
      .filter((one) => letters.test(one));
    expect(folded.map((one) => looseForm(`/${one}`))).toEqual(['/s', '/k']);
  });

  it('is read no further than requested', () => {
    expect(looseForm('/A/;/B/C/D', 2)).toBe('/a/b');
  });

  it('takes time in proportion to the length of the path', () => {
    const hostile = [';/', '. ', ' ', '.', 'A', '\u0130', 'a;', '/'].map((part) =>
      `/${part.repeat(1_000_000)}`.slice(0, 1_000_000),
    );
    const before = process.cpuUsage();
    for (const path of hostile) looseForm(path);
    const { user } = process.cpuUsage(before);
    expect(user / hostile.length).toBeLessThan(1_000_000);
  });
});

const configured = ['/api', '/api/admin', '/api/v1/files', '/Api/Legacy', '/shop', '/API'];
const routes = new Routes(
  configured.map((path) => route({ path })),
  ['/bff'],
);
const plainRoutes = new Routes(
  ['/', '/api', '/api/admin'].map((path) => route({ path })),
  ['/bff'],
);

/** How lenient servers read a path, one habit each. */
const habits: ((path: string) => string)[] = [
  (path) => path.toLowerCase(),
  (path) => path.toUpperCase().toLowerCase(),
  (path) => path.replaceAll(/;[^/]*/g, ''),
  (path) => path.replaceAll(/[.\s]+(?=\/|$)/g, ''),
  (path) => path.replaceAll(/\/\s+/g, '/'),
  (path) => path.replaceAll(/\/+/g, '/'),
  decoded,
  decoded,
];

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

const noise = constantFrom('', '', '', ';v=1', '%3b', '.', '%20', '%C2%A0', ' ', '/;x', '/%20');

function spelledLetter(letter: string) {
  const hex = (text: string) => text.charCodeAt(0).toString(16);
  const capital = letter.toUpperCase();
  const folded = { s: '%C5%BF', i: '%C4%B1' }[letter] ?? letter;
  return constantFrom(letter, letter, capital, `%${hex(letter)}`, `%25${hex(capital)}`, folded);
}

const names = ['api', 'admin', 'bff', 'user', 'v1', 'files', 'shop', 'legacy', 'other'];

/** A path of a route or endpoint, in some spelling. */
const knownName = constantFrom(...names).chain((name) =>
  tuple(...Array.from(name, spelledLetter)).map((letters) => letters.join('')),
);

const segment = tuple(
  noise,
  oneof(
    { weight: 5, arbitrary: knownName },
    string({ unit: 'grapheme', maxLength: 3 }).map(encodeURIComponent),
  ),
  noise,
).map((parts) => parts.join(''));

const target = array(segment, { minLength: 1, maxLength: 4 }).map((all) => `/${all.join('/')}`);

/** The route or endpoint that owns a path, `undefined` if the path is refused. */
function ownerOf(among: typeof routes, text: string): { owner: string; path: string } | undefined {
  try {
    const { path } = canonicalTarget(text);
    const reserved = /^\/bff(?:\/|$)/.test(decodeURIComponent(path)) ? '/bff' : 'none';
    return { owner: among.match(path)?.path ?? reserved, path };
  } catch (error) {
    if (error instanceof BffError && error.code === 'bad_path') return undefined;
    throw error;
  }
}

/** The longest of the paths, written in lower case, that is one of the reading's prefixes. */
function ownerOfReading(among: readonly string[], reading: string): string {
  const isOf = (path: string) => path === '/' || `${reading}/`.startsWith(`${path.toLowerCase()}/`);
  const found = [...among, '/bff'].filter(isOf).toSorted((a, b) => b.length - a.length);
  return found[0]?.toLowerCase() ?? 'none';
}

describe('every spelling of a path', () => {
  it.each([
    ['routes in capitals', routes, configured],
    ['plain routes', plainRoutes, ['/', '/api', '/api/admin']],
  ])('no lenient server takes it for one of another route (%s)', (_which, among, paths) => {
    let seen = 0;
    assert(
      property(target, shuffledSubarray(habits), (text, some) => {
        const found = ownerOf(among, text);
        if (!found) return;
        seen += 1;
        const reading = some.reduce((path, habit) => habit(path), found.path);
        const mistaken = ownerOfReading(paths, reading);
        // Without an owner, or with that of the outer route, the server applies no stricter rule.
        if (mistaken === 'none' || found.owner.toLowerCase().startsWith(mistaken)) return;
        expect({ text, reading, owner: found.owner.toLowerCase() }).toEqual({
          text,
          reading,
          owner: mistaken,
        });
      }),
      { numRuns: 20_000 },
    );
    expect(seen).toBeGreaterThan(2_000);
  });

  it('one that is plain is its own loose form', () => {
    assert(
      property(target, (text) => {
        const { path } = ownerOf(routes, text) ?? { path: '/' };
        const isItsOwn = looseForm(path) === (path === '/' ? path : path.replace(/\/$/, ''));
        expect(isItsOwn || !isPlainForm(path)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });
});
