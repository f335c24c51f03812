import { assert, jsonValue, property, string } from 'fast-check';
import { headersFrom } from '../../src/proxy/claim-headers.ts';

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

  it('is one line of printable ASCII, whatever the provider says', () => {
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
});
