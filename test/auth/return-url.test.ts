import * as fc from 'fast-check';
import type { BffError } from '../../src/errors.ts';
import { type ReturnUrlRules, safeReturnUrl } from '../../src/auth/login/return-url.ts';

const publicUrl = 'https://app.example.com';
const rules: ReturnUrlRules = {
  publicUrl,
  basePath: '/bff',
  defaultReturnUrl: '/home',
  allowedReturnOrigins: [],
};

/** What a browser would do with the answer: where the `Location` leads from our own address. */
const destination = (location: string) => new URL(location, `${publicUrl}/bff/callback`);

/** The judgement: a location, or the code and status of the refusal. */
function outcomeOf(value: string, by = rules): string {
  try {
    return safeReturnUrl(value, by);
  } catch (error) {
    const { code, status } = error as BffError;
    return `${code} ${status}`;
  }
}

const refusal = 'invalid_return_url 400';

/** Refused, or in the end a place on this site that no reader can take for another. */
function isHarmless(value: string): boolean {
  const location = outcomeOf(value);
  if (location === refusal) return true;
  const isHere = destination(location).origin === publicUrl;
  return isHere && !/[\\\s\p{Cc}]/u.test(location) && everyReading(location).every(isLocal);
}

const isLocal = (text: string) => /^\/(?![/\\])/.test(text);

/** What other servers and scripts would see that decode it before they redirect. */
function everyReading(text: string): string[] {
  const decoded = decodeOnce(text);
  return decoded === text ? [text] : [text, ...everyReading(decoded)];
}

function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

describe('a return URL', () => {
  it.each([
    ['/', '/'],
    ['/orders', '/orders'],
    ['/orders/17?tab=1&x=a%20b#part', '/orders/17?tab=1&x=a%20b#part'],
    ['/#/orders', '/#/orders'],
    ['/?returnTo=https://partner.example/', '/?returnTo=https://partner.example/'],
    ['/a/../b', '/b'],
    ['/bücher?größe=ä', '/b%C3%BCcher?gr%C3%B6%C3%9Fe=%C3%A4'],
    ['/search?q=100%25', '/search?q=100%25'],
    ['/a%2Fb', '/a%2Fb'],
    ['/~user/@me/a:b', '/~user/@me/a:b'],
    ['/bff-docs', '/bff-docs'],
    ['/bff/user', '/bff/user'],
    ['/BFF/login', '/BFF/login'],
  ])('%s leads to %s', (value, location) => {
    expect(safeReturnUrl(value, rules)).toBe(location);
    expect(isHarmless(value)).toBe(true);
  });

  it.each([undefined, ''])('that is absent or empty is the default one (%j)', (value) => {
    expect(safeReturnUrl(value, rules)).toBe('/home');
  });

  it.each([
    '/bff/login',
    '/bff/login?returnUrl=/',
    '/bff/callback/corp',
    '/bff/logout',
    '/a/../bff/login',
  ])('that would sign in or out again is refused: %s', (value) => {
    expect(outcomeOf(value)).toBe(refusal);
  });
});

const evil = [
  // other hosts, in every spelling a browser understands
  '//evil.example',
  '///evil.example',
  '/./%2Fevil.example',
  '////evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '\\/evil.example',
  '/\\/evil.example',
  '//\\evil.example',
  '/\\\\evil.example',
  '//evil.example/%2e%2e',
  '//evil.example@app.example.com',
  '//app.example.com@evil.example',
  '//app.example.com:1@evil.example',
  '//[::ffff:127.0.0.1]',
  '//2130706433',
  '//evil%E3%80%82example',
  '//evil。example',
  '//ⓔvil.example',
  'evil.example',
  'www.evil.example',
  '@evil.example',
  ':443',
  '.evil.example',
  '..//evil.example',
  '?//evil.example',
  '#//evil.example',
  './/evil.example',
  'app.example.com',
  ';@evil.example',
  '*',
  // schemes
  'https://evil.example',
  'http://evil.example',
  'https:evil.example',
  'https:/evil.example',
  'https:///evil.example',
  'http:\\\\evil.example',
  'hTtPs://evil.example',
  'ftp://evil.example',
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\tscript:alert(1)',
  'javascript://%0aalert(1)',
  '//javascript:alert(1)',
  'data:text/html,x',
  'vbscript:x',
  'blob:https://evil.example/x',
  'file:///etc/passwd',
  'about:blank',
  'view-source:https://evil.example',
  'intent://evil.example',
  'x:',
  '://evil.example',
  // our own name, but not ours
  'https://app.example.com',
  'https://app.example.com/path',
  'https://app.example.com.evil.example',
  'https://app.example.com@evil.example',
  'https://app.example.com%40evil.example',
  'https://app.example.com%23@evil.example',
  'https://evil.example#app.example.com',
  'https://evil.example?app.example.com',
  'https://evil.example\\app.example.com',
  'https://app.example.com\\.evil.example',
  'http://app.example.com',
  'https://app.example.com:8443',
  'https://аpp.example.com',
  'https://app-example.com',
  // encoded once, twice, thrice
  '/%2fevil.example',
  '/%2Fevil.example',
  '/%5cevil.example',
  '/%5Cevil.example',
  '/%252fevil.example',
  '/%255cevil.example',
  '/%25252fevil.example',
  '/%25255Cevil.example',
  '%2f%2fevil.example',
  '%2Fevil.example',
  '/%2f%2fevil.example',
  '/%09/evil.example',
  '/%0a/evil.example',
  '/%0d/evil.example',
  '/%00/evil.example',
  '/%2509/evil.example',
  '/%250a/evil.example',
  '/%250d%250aSet-Cookie:a=b',
  '/%0d%0aSet-Cookie:a=b',
  '/%E0%80%AFevil.example',
  '/%c0%afevil.example',
  '/%',
  '/%zz',
  '/%u002fevil.example',
  '/%5c%5cevil.example',
  // control characters and blanks, which browsers drop
  '/\t/evil.example',
  '/\n/evil.example',
  '/\r/evil.example',
  '/\r\n/evil.example',
  '/\v/evil.example',
  '/\f/evil.example',
  '\t//evil.example',
  ' //evil.example',
  '\n//evil.example',
  '\u0000//evil.example',
  '/\u0000/evil.example',
  '/\u0001/evil.example',
  '/\u007f/evil.example',
  '/\u0085/evil.example',
  '/\u009f/evil.example',
  ' https://evil.example',
  '\ufeff//evil.example',
  '\u00a0//evil.example',
  '/path\r\nSet-Cookie: a=b',
  '\u2028//evil.example',
  '/\ttext',
  '/a\\b',
  '/a\\..\\..\\evil.example',
  '/?x=\\',
  '/#\\evil.example',
  '/?x=%5c',
  '/?x=%0a',
  // dot segments that leave a double slash behind
  '/.//evil.example',
  '/..//evil.example',
  '/a/..//evil.example',
  '/a/b/../..//evil.example',
  '/%2e//evil.example',
  '/%2e%2e//evil.example',
  '/./\\evil.example',
  '/./../../\\evil.example',
  '/.%2e//evil.example',
  '/.///evil.example',
];

const strange = [
  '/ /evil.example',
  '/%20/evil.example',
  '/.evil.example',
  '/..evil.example',
  '/;@evil.example',
  '/:@evil.example',
  '/@evil.example',
  '/:443',
  '/*evil.example',
  '/～/evil.example',
  '/／evil.example',
  '/⁄evil.example',
  '/%E3%80%82evil.example',
  '/%EF%BC%8Fevil.example',
  '/https://evil.example',
  '/https:evil.example',
  '/javascript:alert(1)',
  '/?url=//evil.example',
  '/#//evil.example',
  '/a//evil.example',
  '/..;/evil.example',
  '/;/evil.example',
  '/a/%2e%2e/%2e%2e/b',
  '/%252e%252e/b',
  '/"><script>alert(1)</script>',
  "/'onload=x",
  '/\u2028',
  '/\u202eevil',
  '/\ud800',
  `/${'a'.repeat(10_000)}`,
  `/${'../'.repeat(500)}`,
  '/__proto__',
  '/[object Object]',
];

describe('a return URL of an attacker', () => {
  it('comes in more than a hundred spellings', () => {
    expect(new Set([...evil, ...strange]).size).toBe(evil.length + strange.length);
    expect(evil.length).toBeGreaterThan(100);
  });

  it.each(evil)('is refused: %j', (value) => {
    expect(outcomeOf(value)).toBe(refusal);
  });

  it.each(strange)('stays on this site: %j', (value) => {
    expect(isHarmless(value)).toBe(true);
  });

  it('stays on this site in every combination of what such addresses are made of', () => {
    const starts = [
      '',
      '/',
      '//',
      '/\\',
      '\\',
      '/.',
      '/..',
      '/%2e',
      '/%2f',
      '/%5c',
      '/%252f',
      '/\t',
      '/%09',
      ' /',
    ];
    const middles = [
      '',
      '/',
      '//',
      '\\',
      '/\\',
      '@',
      ':',
      ';',
      '.',
      '/../',
      '/..;/',
      '%2f',
      '%5c',
      '%00',
      '\u3002',
      '?',
      '#',
    ];
    const hosts = [
      'evil.example',
      'evil.example:443',
      'a@evil.example',
      'javascript:x',
      'https://evil.example',
    ];
    const all = starts.flatMap((start) =>
      middles.flatMap((middle) =>
        hosts.flatMap((host) => [
          start + middle + host,
          start + host + middle,
          encodeURIComponent(start) + middle + host,
        ]),
      ),
    );
    expect(all.filter((value) => !isHarmless(value))).toEqual([]);
  });

  it('stays on this site for every value', () => {
    const pieces = fc.constantFrom(
      ...'/ \\ // . .. ; : @ ? # % & = \t \n \r \0 %2f %5c %2e %09 %25 %252f evil.example https: javascript: a \u3002 \uff0f'.split(
        ' ',
      ),
    );
    const address = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((all) => all.join('')),
      fc.webUrl(),
    );
    const leads = fc.property(address, fc.boolean(), (text, slash) =>
      isHarmless(slash ? `/${text}` : text),
    );
    expect(fc.check(leads, { numRuns: 5_000 })).toMatchObject({ failed: false });
  });

  it('is the same when it is judged again', () => {
    for (const value of strange.filter((text) => outcomeOf(text) !== refusal)) {
      const once = safeReturnUrl(value, rules);
      expect(safeReturnUrl(once, rules)).toBe(once);
    }
  });
});

/** `/a`, percent-encoded so many times. */
const nested = (depth: number) => (depth === 0 ? '/a' : `/%${'25'.repeat(depth - 1)}61`);

describe('the limits of a return URL', () => {
  it.each([
    ['2,048 octets', `/${'a'.repeat(2047)}`, true],
    ['2,049 octets', `/${'a'.repeat(2048)}`, false],
    ['2,047 octets in 1,024 characters', `/${'é'.repeat(1023)}`, true],
    ['2,049 octets in 1,025 characters', `/${'é'.repeat(1024)}`, false],
    ['2,048 octets with its query', `/?${'a'.repeat(2046)}`, true],
    ['2,049 octets with its fragment', `/#${'a'.repeat(2047)}`, false],
    ['8 encodings', nested(8), true],
    ['9 encodings', nested(9), false],
    ['1,000 encodings', nested(1000), false],
  ])('%s', (_, value, isAllowed) => {
    expect(outcomeOf(value) !== refusal).toBe(isAllowed);
    expect(isHarmless(value)).toBe(true);
  });

  it('hold for allowed origins too', () => {
    const origin = 'https://partner.example';
    const partner = { ...rules, allowedReturnOrigins: [origin] };
    const longest = `${origin}/${'a'.repeat(2047 - origin.length)}`;
    expect(outcomeOf(longest, partner)).toBe(longest);
    expect(outcomeOf(`${longest}a`, partner)).toBe(refusal);
  });

  it.each([
    ['nested encodings', `/%25${'25'.repeat(7900)}41`],
    ['short nested encodings', nested(1000)],
    ['dot segments', '/../'.repeat(4000)],
    ['slashes behind a dot', `/.${'/'.repeat(16_000)}`],
    ['encoded slashes', `/${'%2f'.repeat(5000)}`],
    ['what cannot be decoded', `/${'%'.repeat(16_000)}`],
  ])('keep 16 KB of %s from costing 20 ms (quadratic decoding)', (_, value) => {
    outcomeOf(value);
    const before = process.cpuUsage();
    outcomeOf(value);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(20);
  });
});

describe('a return URL elsewhere', () => {
  const partner = {
    ...rules,
    allowedReturnOrigins: ['https://partner.example', 'http://localhost:4200'],
  };

  it.each([
    ['https://partner.example', 'https://partner.example/'],
    ['https://partner.example/', 'https://partner.example/'],
    ['https://partner.example/a/../b?c#d', 'https://partner.example/b?c#d'],
    ['https://partner.example//x', 'https://partner.example//x'],
    ['http://localhost:4200/x', 'http://localhost:4200/x'],
    ['/local', '/local'],
  ])('that is allowed leads there: %s', (value, location) => {
    expect(safeReturnUrl(value, partner)).toBe(location);
  });

  it.each([
    'https://partner.example.evil.example/',
    'https://partner.example@evil.example/',
    'https://partner.example:8443/',
    'http://partner.example/',
    'https://sub.partner.example/',
    'https://partner.example%40evil.example/',
    'https://partner.example\\@evil.example/',
    'https://partner.example/\\evil.example',
    'https:/partner.example/',
    'https:partner.example',
    '//partner.example/',
    'HTTPS://partner.example/',
    'https://partner.example?x',
    'https://partner.example#x',
    ' https://partner.example/',
    'https://partner.example/ x',
    'https://partner.example/\r\nx',
    'https://partner.exampl',
    'https://evil.example/https://partner.example/',
    'http://localhost:42000/',
    'http://localhost/',
    'javascript:https://partner.example/',
  ])('that only looks like an allowed one is refused: %j', (value) => {
    expect(outcomeOf(value, partner)).toBe(refusal);
  });
});
