import { array, assert, constantFrom, oneof, property, string, webPath } from 'fast-check';
import { BffError } from '../../src/errors.ts';
import { canonicalTarget } from '../../src/proxy/path.ts';

const accepted: readonly [target: string, path: string, query?: string][] = [
  ['/', '/'],
  ['/api', '/api'],
  ['/api/', '/api/'],
  ['/api/orders', '/api/orders'],
  ['/API/Orders', '/API/Orders'],
  ['/api/orders/42', '/api/orders/42'],
  ['/api/orders.json', '/api/orders.json'],
  ['/api/.well-known/x', '/api/.well-known/x'],
  ['/api/.hidden', '/api/.hidden'],
  ['/api/...', '/api/...'],
  ['/api/..a', '/api/..a'],
  ['/api/a..', '/api/a..'],
  ['/api/a..b/c', '/api/a..b/c'],
  ['/api/a.', '/api/a.'],
  ['/api/~user', '/api/~user'],
  ["/api/!$&'()*+,=:@", "/api/!$&'()*+,=:@"],
  ['/api/orders;v=1', '/api/orders;v=1'],
  ['/api/orders;v=1/items;w=2', '/api/orders;v=1/items;w=2'],
  ['/api/a=b:c@d', '/api/a=b:c@d'],
  ['/api/[1]', '/api/[1]'],
  ['/api/{id}|^`"<>', '/api/{id}|^`"<>'],
  // unreserved characters are decoded, others keep their encoding
  ['/%61pi', '/api'],
  ['/api/%7Euser', '/api/~user'],
  ['/api/%7euser', '/api/~user'],
  ['/api/%2Dx%5Fy', '/api/-x_y'],
  ['/api/a%2Eb', '/api/a.b'],
  ['/api/a%20b', '/api/a%20b'],
  ['/api/100%25', '/api/100%25'],
  ['/api/100%25/x', '/api/100%25/x'],
  ['/api/50%25off', '/api/50%25off'],
  ['/api/%2541', '/api/%2541'],
  ['/api/a%3Fb', '/api/a%3Fb'],
  ['/api/a%23b', '/api/a%23b'],
  ['/api/%40me', '/api/%40me'],
  ['/api/a%3Bb', '/api/a%3Bb'],
  ['/api/a%3Ab', '/api/a%3Ab'],
  ['/api/caf%C3%A9', '/api/caf%C3%A9'],
  ['/api/caf%c3%a9', '/api/caf%c3%a9'],
  ['/api/%E6%97%A5%E6%9C%AC', '/api/%E6%97%A5%E6%9C%AC'],
  ['/api/%F0%9F%98%80', '/api/%F0%9F%98%80'],
  // the query is nobody's business but the upstream's
  ['/api?', '/api', '?'],
  ['/api?a=1&b=2', '/api', '?a=1&b=2'],
  ['/api?a=%2e%2e&b=+&c=;', '/api', '?a=%2e%2e&b=+&c=;'],
  ['/api?next=//evil.test/../x', '/api', '?next=//evil.test/../x'],
  ['/api?a=%zz', '/api', '?a=%zz'],
  ['/api?a?b?c', '/api', '?a?b?c'],
  ['/api?\\', '/api', '?\\'],
  ['/api/x?%00', '/api/x', '?%00'],
  ['/?/api/public', '/', '?/api/public'],
];

const refused: readonly string[] = [
  // not a path at all
  '',
  '*',
  '?x=1',
  'api/orders',
  'http://169.254.169.254/latest/meta-data',
  'http://evil.test/api/orders',
  'http:/api/orders',
  'https://localhost/api',
  '@evil.test/api/orders',
  'evil.test:443',
  '\\\\evil.test\\api',
  // two slashes, and what some servers read as one
  '//',
  '//evil.test/api',
  '///evil.test',
  '/api//orders',
  '/api/orders//',
  '/\\evil.test',
  '/api\\orders',
  '/api\\..\\admin',
  '/api/..\\admin',
  // dot segments, plain
  '/.',
  '/..',
  '/./',
  '/../',
  '/api/.',
  '/api/..',
  '/api/./orders',
  '/api/../bff/callback',
  '/api/orders/../admin',
  '/api/orders/../../../etc/passwd',
  // dot segments, encoded
  '/%2e',
  '/%2e%2e',
  '/%2E%2E/',
  '/.%2e/',
  '/%2e./',
  '/api/%2e/orders',
  '/api/%2e%2e/admin',
  '/api/%2e%2E/admin',
  '/api/orders/.%2e/admin',
  '/api/orders/%2e./admin',
  // dot segments, encoded again and again
  '/api/%252e%252e/admin',
  '/api/%25%32%65%25%32%65/admin',
  '/api/%252e%252e%252fadmin',
  '/api/%25252e%25252e/admin',
  '/api/.%252e/admin',
  '/api/%2525252e%2525252e%2525252fadmin',
  `/api/%${'25'.repeat(12)}41`,
  // dot segments behind parameters, which Java servers cut off
  '/api/..;/admin',
  '/api/.;/admin',
  '/api/..;x=1/admin',
  '/api/..%3b/admin',
  '/api/..%3B/admin',
  '/api/%2e%2e;/admin',
  '/api/%2e%2e%3b/admin',
  '/api/..%253b/admin',
  '/api/orders/;/../admin',
  '/api/..;',
  // dot segments with blanks, which some servers trim
  '/api/..%20/admin',
  '/api/%20../admin',
  '/api/..%09/admin',
  '/api/..%e2%80%80/admin',
  '/api/%c2%a0../admin',
  // separators, encoded
  '/api/a%2fb',
  '/api/a%2Fb',
  '/api%2forders',
  '/%2f',
  '/%2fevil.test',
  '/api/..%2fadmin',
  '/api/%2e%2e%2fadmin',
  '/api/a%5cb',
  '/api/a%5Cb',
  '/%5cevil.test',
  '/api/..%5cadmin',
  '/api%5c..%5cadmin',
  '/api/a%252fb',
  '/api/a%255cb',
  '/api/a%25252fb',
  '/api/a%25zz%252f..%252fadmin',
  // control characters and blanks, plain and encoded
  '/api/a b',
  '/api/a\tb',
  '/api/a\rb',
  '/api/a\nb',
  '/api/a\0b',
  '/api/a\x7fb',
  '/api%00',
  '/api/orders%00/../admin',
  '/api/orders%00.json',
  '/api/orders%0d%0aX-Admin:%201',
  '/api/orders%0a',
  '/api/%7f',
  '/api/%01',
  '/api/%c2%80',
  '/api/%2500',
  '/api/%250d%250a',
  // fragments
  '/api#',
  '/api#/public',
  '/admin#/api/public',
  '/api?x#y',
  // percent signs that encode nothing
  '/%',
  '/api/%',
  '/api/%g1',
  '/api/%1',
  '/api/%u002e%u002e/admin',
  '/api/%%41',
  '/api/100%',
  // octets that are not UTF-8
  '/api/%ff',
  '/api/%80',
  '/api/%E0%80',
  '/api/%c0%ae%c0%ae/admin',
  '/api/%c0%af',
  '/api/%e0%80%af',
  '/api/%f8%80%80%80%ae',
  '/api/%ed%a0%80',
  '/api/%25c0%25ae',
  // characters that do not belong into a request line
  '/api/café',
  '/api/\u010d\u010a',
  '/api/\u2025/admin',
  '/api/\uff0e\uff0e/admin',
  '/api/x?\u010a',
  '/api/x?a b',
  '/api/x?a\r\nX-Admin: 1',
  '/api/x?\x7f',
];

describe('a path', () => {
  it.each(accepted)('%j is forwarded as %j', (target, path, query = '') => {
    expect(canonicalTarget(target)).toEqual({ path, query });
  });

  it.each(refused)('%j is refused', (target) => {
    expect(() => canonicalTarget(target)).toThrow(expect.objectContaining({ code: 'bad_path' }));
  });

  it('has been tried in more than a hundred ways', () => {
    expect(accepted.length + refused.length).toBeGreaterThan(100);
  });
});

const suspicious =
  '/ . .. ; \\ % %2e %2E %2f %5C %25 %252e %252f %00 %3b %20 %c0%ae %e2%80%80 25 2e 2f ? # @ : a api %u002e \u2025 %ff %C3%A9 %41 ~ & ='
    .split(' ')
    .concat(' ', '\t', '\n');

/** Pieces of which attacks on paths are made, and harmless ones between them. */
const piece = oneof(constantFrom(...suspicious), string({ unit: 'binary', maxLength: 4 }));

const target = oneof(
  array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`),
  string({ unit: 'grapheme' }),
  webPath().map((path) => `/${path.replace(/^\/+/, '')}`),
);

describe('every request target', () => {
  it('has a path that is refused, or that no server can read as another one', () => {
    let seen = 0;
    assert(
      property(target, (text) => {
        const canonical = canonicalOrRefused(text);
        if (!canonical) return;
        seen += 1;
        for (const reading of readings(canonical.path)) {
          expect(reading).not.toMatch(/\/\/|\\|\p{Cc}|\/\.{1,2}(;|\/|$)/u);
          expect(reading.startsWith('/')).toBe(true);
        }
        const url = new URL(`http://upstream.test${canonical.path}`);
        expect(url.host).toBe('upstream.test');
        expect(url.pathname.split('/')).toHaveLength(canonical.path.split('/').length);
      }),
      { numRuns: 20_000 },
    );
    expect(seen).toBeGreaterThan(1_000);
  });

  it('its canonical form is its own canonical form', () => {
    assert(
      property(target, (text) => {
        const canonical = canonicalOrRefused(text);
        if (!canonical) return;
        const { path, query } = canonical;
        expect(canonicalTarget(path + query)).toEqual(canonical);
        expect(text.endsWith(query)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });
});

function canonicalOrRefused(text: string) {
  try {
    return canonicalTarget(text);
  } catch (error) {
    if (error instanceof BffError && error.code === 'bad_path') return undefined;
    throw error;
  }
}

/**
 * What a path becomes for servers that decode it once, twice or three times, or normalise it as
 * browsers do.
 */
function readings(path: string): string[] {
  const all = [path];
  for (let decodings = 0; decodings < 3; decodings += 1) {
    const [text = ''] = all.slice(-1);
    try {
      all.push(decodeURIComponent(text));
    } catch {
      break; // nothing is left that could be decoded
    }
  }
  return all;
}
