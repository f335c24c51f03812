import { assert, jsonValue, property, string } from 'fast-check';
import { headersFrom } from '../../src/proxy/headers/claim-headers.ts';

const claims = {
  sub: 'alice',
  name: 'Jürgen Müller',
  email: 'alice@example.com',
  email_verified: true,
  level: 0,
  empty: '',
  nothing: null,
  groups: ['staff', 'a,b', 'Käse'],
  none: [],
  realm_access: { roles: ['admin'] },
  'https://example.com/tenant': 'north',
  evil: 'a\r\nX-Admin: 1',
  tricky: '${claims.sub}',
};

describe('a header made of claims', () => {
  it.each([
    ['constant', 'constant'],
    ['${claims.sub}', 'alice'],
    ['${claims.sub} <${claims.email}>', 'alice <alice@example.com>'],
    ['${claims.email_verified}', 'true'],
    ['${claims.level}', '0'],
    ['${claims.groups}', 'staff,a%2Cb,K%C3%A4se'],
    ['${claims.realm_access.roles}', 'admin'],
    ['${claims.realm_access}', '{"roles":["admin"]}'],
    ['${claims.https://example.com/tenant}', 'north'],
    ['${claims.name}', 'J%C3%BCrgen M%C3%BCller'],
    ['${claims.evil}', 'a%0D%0AX-Admin: 1'],
    ['${claims.tricky}', '${claims.sub}'],
  ])('%s is %s', (template, value) => {
    expect(headersFrom({ 'x-a': template }, claims)).toEqual(['x-a', value]);
  });

  it.each(['missing', 'empty', 'nothing', 'none', 'sub.length', 'toString', '__proto__', 'a.b.c'])(
    'is not sent without the claim %s',
    (name) => {
      expect(headersFrom({ 'x-a': `user \${claims.${name}}` }, claims)).toEqual([]);
      expect(headersFrom({ 'x-a': `\${claims.${name}}` }, undefined)).toEqual([]);
    },
  );

  it('is one line of printable ASCII for every claim value', () => {
    assert(
      property(jsonValue(), (claim) => {
        const [, value = ''] = headersFrom({ 'x-a': '${claims.c}' }, { c: claim });
        expect(value).toMatch(/^[\x20-\x7e]*$/);
      }),
    );
  });

  it('is never the same for two users', () => {
    assert(
      property(string({ unit: 'binary', minLength: 1 }), (sub) => {
        const [, value = ''] = headersFrom({ 'x-a': '${claims.sub}' }, { sub });
        expect(decodeURIComponent(String(value))).toBe(sub.toWellFormed());
        expect(String(value).trim()).toBe(value);
      }),
    );
  });

  describe('of a long claim', () => {
    const longest = 8_192;
    const leftOut = (template: string, c: unknown) => {
      const names: string[] = [];
      const headers = headersFrom({ 'x-a': template, 'x-b': 'b' }, { c }, (name) =>
        names.push(name),
      );
      return names.length > 0 && headers.join() === 'x-b,b' && names.join() === 'x-a';
    };

    it.each([
      ['a text', '${claims.c}', 'x'.repeat(longest), 'x'.repeat(longest + 1)],
      ['of blanks at its ends', '${claims.c}', `  ${'x'.repeat(longest - 6)}`, ' '.repeat(2_731)],
      ['not in ASCII', '${claims.c}', 'ü'.repeat(1_365), 'ü'.repeat(1_366)],
      ['a list', '${claims.c}', Array(4_096).fill('x').fill('', 4_095), Array(4_098).fill('x')],
      ['a list in a list', '${claims.c}', [Array(2_048).fill('x')], [Array(2_049).fill('x')]],
      ['an object', '${claims.c}', { a: 'x'.repeat(longest - 8) }, { a: 'x'.repeat(longest) }],
      ['two claims', '${claims.c}${claims.c}', 'x'.repeat(4_096), 'x'.repeat(4_097)],
      ['with other text', 'a ${claims.c}', 'x'.repeat(longest - 2), 'x'.repeat(longest - 1)],
    ])('has 8 KB at most, else it is left out: %s', (_what, template, fits, tooLong) => {
      const [, value = ''] = headersFrom({ 'x-a': template }, { c: fits });
      expect(value.length).toBeGreaterThan(longest - 10);
      expect(value.length).toBeLessThanOrEqual(longest);
      expect([leftOut(template, fits), leftOut(template, tooLong)]).toEqual([false, true]);
    });

    it('is left out for lists that are nested in more than 32 levels', () => {
      const deep = (levels: number) =>
        JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;
      expect(leftOut('${claims.c}', deep(20_000))).toBe(true);
    });

    it.each([
      ['blanks before an end', `x${' '.repeat(60_000)}x`],
      ['blanks between letters', 'x '.repeat(30_000)],
      ['runs of blanks in a list', Array(8).fill(`x${' '.repeat(7_500)}x`)],
      ['blanks that fit', `x${' '.repeat(8_000)}x`],
      ['nested lists', JSON.parse(`${'['.repeat(30)}"${','.repeat(60_000)}"${']'.repeat(30)}`)],
    ])('takes no time that grows faster than it: %s', (_what, claim) => {
      const before = process.cpuUsage();
      for (let times = 0; times < 20; times += 1)
        headersFrom({ 'x-a': '${claims.c}' }, { c: claim });
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 20).toBeLessThan(20_000);
    });
  });
});
