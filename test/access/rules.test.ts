import { compileRules } from '../../src/access/rules.ts';
import { parseOptions } from '../../src/config/load.ts';
import type { AccessRule } from '../../src/config/options.ts';

/** Claims as a provider sends them. `__proto__` is then a claim like any other. */
function claimsFrom(json: string): Record<string, unknown> {
  return JSON.parse(json) as Record<string, unknown>;
}

/** The rules of a configuration, which lower-cases domains for example. */
function rulesFrom(rules: readonly AccessRule[]) {
  const { routes } = parseOptions({
    publicUrl: 'http://localhost:8080',
    session: { secrets: ['kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U'] },
    providers: [
      { id: 'corp', issuer: 'https://login.example.com', clientId: 'spa', clientSecret: 's' },
    ],
    routes: [{ path: '/api', upstream: 'http://api:3000', require: rules }],
  });
  return compileRules(routes[0]?.require ?? []);
}

const holds = (rule: AccessRule, claims: Record<string, unknown>) =>
  rulesFrom([rule]).refusal(claims, 'GET') === undefined;

type Case = readonly [rule: AccessRule, json: string];

const admin = { claim: 'roles', any: ['admin'] };
const nested = { claim: 'realm_access.roles', any: ['admin'] };
const namespaced = { claim: 'https://example.com/roles', any: ['admin'] };

const admitted: readonly Case[] = [
  [admin, '{"roles":["user","admin"]}'],
  [admin, '{"roles":"admin"}'],
  [{ claim: 'roles', any: ['a', 'b'] }, '{"roles":["x",1,true,"b"]}'],
  [{ claim: 'level', any: [3, true] }, '{"level":3}'],
  [{ claim: 'level', any: [3, true] }, '{"level":[1,true]}'],
  [{ claim: 'level', any: [0] }, '{"level":0}'],
  [{ claim: 'flag', equals: false }, '{"flag":false}'],
  [{ claim: 'groups', all: ['staff', 'eu'] }, '{"groups":["eu","x","staff"]}'],
  [{ claim: 'groups', all: ['staff', 'staff'] }, '{"groups":["staff"]}'],
  [{ claim: 'groups', all: ['staff'] }, '{"groups":"staff"}'],
  [{ claim: 'department', equals: 'finance' }, '{"department":"finance"}'],
  [nested, '{"realm_access":{"roles":["admin"]}}'],
  [nested, '{"realm_access.roles":["admin"]}'],
  [nested, '{"realm_access.roles":["admin"],"realm_access":{"roles":["user"]}}'],
  [namespaced, '{"https://example.com/roles":["admin"]}'],
  [{ claim: 'a.b.c', equals: 1 }, '{"a":{"b":{"c":1}}}'],
  [{ claim: '__proto__', any: ['admin'] }, '{"__proto__":["admin"]}'],
  [{ claim: '__proto__.admin', equals: true }, '{"__proto__":{"admin":true}}'],
  [{ claim: 'constructor', exists: true }, '{"constructor":"x"}'],
  [{ claim: 'roles.length', equals: 1 }, '{"roles":{"length":1}}'],
  ...['"x"', '0', 'false', '[0]', '[null]', '[[]]', '{}', '{"a":1}', '" "'].map(
    (value) => [{ claim: 'x', exists: true }, `{"x":${value}}`] as const,
  ),
  [{ anyOf: [admin, { claim: 'is_auditor', equals: true }] }, '{"is_auditor":true}'],
  [{ anyOf: [admin, { claim: 'is_auditor', equals: true }] }, '{"roles":"admin"}'],
];

const refused: readonly Case[] = [
  [admin, '{}'],
  [admin, '{"roles":null}'],
  [admin, '{"roles":""}'],
  [admin, '{"roles":[]}'],
  [admin, '{"roles":"administrator"}'],
  [admin, '{"roles":"user,admin"}'],
  [admin, '{"roles":"user admin"}'],
  [admin, '{"roles":"Admin"}'],
  [admin, '{"roles":" admin"}'],
  [admin, '{"roles":"admin\\u0000"}'],
  [admin, '{"roles":"\\uff41dmin"}'],
  [admin, '{"roles":"аdmin"}'],
  [admin, '{"roles":{"admin":true}}'],
  [admin, '{"roles":{"0":"admin","length":1}}'],
  [admin, '{"roles":[["admin"]]}'],
  [admin, '{"roles":["admin",["admin"]]}'],
  [admin, '{"roles":["admin",null]}'],
  [admin, '{"roles":["admin",{}]}'],
  [admin, '{"roles":[{"toString":"admin"}]}'],
  [admin, '{"Roles":["admin"]}'],
  [{ claim: 'name', equals: 'é' }, '{"name":"e\\u0301"}'],
  [{ claim: 'name', equals: 'ß' }, '{"name":"ss"}'],
  [{ claim: 'flag', equals: true }, '{"flag":"true"}'],
  [{ claim: 'flag', equals: true }, '{"flag":1}'],
  [{ claim: 'flag', equals: true }, '{"flag":[true]}'],
  [{ claim: 'flag', equals: 'true' }, '{"flag":true}'],
  [{ claim: 'flag', equals: false }, '{}'],
  [{ claim: 'flag', equals: false }, '{"flag":null}'],
  [{ claim: 'level', any: [1] }, '{"level":"1"}'],
  [{ claim: 'level', any: ['1'] }, '{"level":1}'],
  [{ claim: 'level', any: ['1'] }, '{"level":[1]}'],
  [{ claim: 'level', any: [0] }, '{"level":false}'],
  [{ claim: 'level', any: ['null', 'undefined'] }, '{"level":null}'],
  [{ claim: 'groups', all: ['staff', 'eu'] }, '{"groups":["staff"]}'],
  [{ claim: 'groups', all: ['staff', 'eu'] }, '{"groups":"staff"}'],
  [{ claim: 'groups', all: ['staff'] }, '{"groups":["staff",{}]}'],
  [{ claim: 'groups', all: ['staff'] }, '{"groups":{"staff":true}}'],
  [nested, '{"realm_access":{"roles":["user"]}}'],
  [nested, '{"realm_access":["admin"]}'],
  [nested, '{"realm_access":"roles"}'],
  [nested, '{"realm_access":null}'],
  [nested, '{"realm_access":{"roles":{"any":["admin"]}}}'],
  [nested, '{"roles":["admin"]}'],
  // A claim of the whole name counts, whatever stands at the path.
  [nested, '{"realm_access.roles":["user"],"realm_access":{"roles":["admin"]}}'],
  [nested, '{"realm_access.roles":null,"realm_access":{"roles":["admin"]}}'],
  [namespaced, '{"https://example":{"com/roles":["user"]}}'],
  [{ claim: 'roles.0', equals: 'admin' }, '{"roles":["admin"]}'],
  [{ claim: 'roles.length', equals: 1 }, '{"roles":["admin"]}'],
  [{ claim: 'name.length', equals: 5 }, '{"name":"alice"}'],
  [{ claim: 'length', exists: true }, '{}'],
  [{ claim: '__proto__', exists: true }, '{}'],
  [{ claim: '__proto__.admin', exists: true }, '{"x":{"__proto__":{"admin":true}}}'],
  [{ claim: 'constructor', exists: true }, '{}'],
  [{ claim: 'constructor.name', equals: 'Object' }, '{}'],
  [{ claim: 'toString', exists: true }, '{}'],
  [{ claim: 'a.constructor.name', equals: 'Object' }, '{"a":{}}'],
  [{ claim: 'a..b', exists: true }, '{"a":{"b":1}}'],
  ...['null', '""', '[]'].map((v) => [{ claim: 'x', exists: true }, `{"x":${v}}`] as const),
  [{ claim: 'x', exists: true }, '{}'],
  [{ anyOf: [admin, { claim: 'is_auditor', equals: true }] }, '{"is_auditor":"true"}'],
];

describe('rules over claims', () => {
  it.each(admitted)('%j admits %s', (rule, json) => {
    expect(holds(rule, claimsFrom(json))).toBe(true);
  });

  it.each(refused)('%j refuses %s', (rule, json) => {
    expect(holds(rule, claimsFrom(json))).toBe(false);
  });

  it.each<readonly [string, unknown]>([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['undefined', undefined],
    ['a symbol', Symbol('x')],
    ['a function', () => 'x'],
    ['a bigint', 1n],
  ])('refuse %s, which no JSON has', (_, value) => {
    expect(holds({ claim: 'x', exists: true }, { x: value })).toBe(false);
    expect(holds({ claim: 'x', any: [1, 'x'] }, { x: [1, value] })).toBe(false);
    expect(holds({ claim: 'x', all: [1] }, { x: [1, value] })).toBe(false);
  });

  it('do not skip the holes of a list', () => {
    const roles = ['admin'];
    roles[2] = 'user';
    expect(holds({ claim: 'roles', all: ['admin'] }, { roles })).toBe(false);
    expect(holds(admin, { roles })).toBe(false);
  });

  it('look at claims without a prototype, and at those of hostile ones', () => {
    const bare = Object.assign(Object.create(null) as object, { roles: ['admin'] });
    expect(holds(admin, bare as Record<string, unknown>)).toBe(true);
    const inherited = Object.create({ roles: ['admin'] }) as Record<string, unknown>;
    expect(holds(admin, inherited)).toBe(false);
  });
});

const atExample = { claim: 'email', emailDomain: ['Example.com', 'example.org'] };
const verified = (email: unknown) => ({ email, email_verified: true });

describe('emailDomain', () => {
  it.each([
    'alice@example.com',
    'ALICE@EXAMPLE.COM',
    'alice@example.org',
    'a.b+c@example.com',
    "o'neill@example.com",
    'user%evil.example@example.com',
    `${'a'.repeat(64)}@example.com`,
  ])('admits %s', (email) => {
    expect(holds(atExample, verified(email))).toBe(true);
  });

  it.each<unknown>([
    undefined,
    null,
    '',
    'example.com',
    '@example.com',
    'alice@',
    'alice@example.com.evil.example',
    'alice@evil.example?@example.com@evil.example',
    'alice@evilexample.com',
    'alice@mail.example.com',
    'alice@example.com.',
    'alice@.example.com',
    'alice@example..com',
    'alice@example.co',
    'alice@evil.example@example.com',
    'alice@@example.com',
    '"alice@evil.example"@example.com',
    '"alice"@example.com',
    'alice@[example.com]',
    'Alice <alice@example.com>',
    '<alice@example.com>',
    'alice@evil.example, bob@example.com',
    'bob@example.com,alice@evil.example',
    'bob@example.com;alice@evil.example',
    'alice@example.com\n',
    'alice@example.com ',
    ' alice@example.com',
    'alice@evil.example\nbob@example.com',
    'alice\u0000@example.com',
    'alice@example.com\u0000',
    'alice@evil.example(@example.com)',
    'alice(x)@example.com',
    'ali ce@example.com',
    '.alice@example.com',
    'alice.@example.com',
    'ali..ce@example.com',
    'älice@example.com',
    'alice@exaⓜple.com',
    'alice@еxample.com',
    'alice\uff20example.com',
    'mailto:alice@example.com',
    'alice\\@example.com',
    `${'a'.repeat(65)}@example.com`,
    ['alice@example.com'],
    { email: 'alice@example.com' },
    true,
    7,
  ])('refuses %j', (email) => {
    expect(holds(atExample, verified(email))).toBe(false);
  });

  it('folds ASCII letters alone', () => {
    const rule = { claim: 'email', emailDomain: ['kiss.example'] };
    expect(holds(rule, verified('a@KISS.example'))).toBe(true);
    // The Kelvin sign and the long s, which become k and s in lower or upper case.
    expect(holds(rule, verified('a@\u212aiss.example'))).toBe(false);
    expect(holds(rule, verified('a@ki\u017fs.example'))).toBe(false);
    expect(holds(rule, verified('a@K\u0130SS.example'))).toBe(false);
  });

  it.each<unknown>([false, 'true', 1, null, undefined, ['true'], {}, [true]])(
    'refuses an address with email_verified: %j',
    (flag) => {
      const claims = { email: 'alice@example.com', email_verified: flag };
      expect(holds(atExample, claims)).toBe(false);
      expect(holds({ ...atExample, unverified: false }, claims)).toBe(false);
      expect(holds({ ...atExample, unverified: true }, claims)).toBe(true);
    },
  );

  it('is still particular about the address with unverified: true', () => {
    const rule = { ...atExample, unverified: true };
    expect(holds(rule, { email: 'alice@example.com@evil.example' })).toBe(false);
  });

  it('wants the verified address, not another claim beside it', () => {
    const rule = { ...atExample, claim: 'upn' };
    const upn = 'alice@example.com';
    expect(holds(rule, { upn, email: 'alice@evil.example', email_verified: true })).toBe(false);
    expect(holds(rule, { upn, email_verified: true })).toBe(false);
    expect(holds(rule, { upn, email: upn, email_verified: true })).toBe(true);
    expect(holds({ ...rule, unverified: true }, { upn })).toBe(true);
  });
});

describe('a list of rules', () => {
  const { refusal } = rulesFrom([
    { claim: 'realm_access.roles', any: ['admin', 'operator'] },
    { claim: 'groups', all: ['staff', 'eu'], methods: ['POST', 'DELETE'] },
    {
      anyOf: [
        { claim: 'department', equals: 'finance' },
        { claim: 'audit', equals: true },
      ],
    },
  ]);
  const admins = { realm_access: { roles: ['admin'] }, department: 'finance' };

  it('holds where every rule holds', () => {
    expect(refusal({ ...admins, groups: ['eu', 'staff'] }, 'POST')).toBeUndefined();
    expect(refusal(admins, 'GET')).toBeUndefined();
  });

  it('names the first claim that did not hold, with the index of its rule', () => {
    expect(refusal({}, 'POST')).toEqual({ claim: 'realm_access.roles', index: 0 });
    expect(refusal(admins, 'POST')).toEqual({ claim: 'groups', index: 1 });
    expect(refusal({ ...admins, department: 'x' }, 'GET')).toEqual({
      claim: 'department',
      index: 2,
    });
  });

  it('counts every rule where there is no method', () => {
    expect(refusal(admins)).toEqual({ claim: 'groups', index: 1 });
  });

  it.each([
    [['GET'], 'GET', true],
    [['GET'], 'HEAD', true],
    [['GET'], 'POST', false],
    [['HEAD'], 'GET', false],
    [['POST', 'PUT'], 'PUT', true],
    [['POST'], 'OPTIONS', false],
    [['PROPFIND'], 'PROPFIND', true],
  ])('with methods %j is for %s: %s', (methods, method, isFor) => {
    const rules = rulesFrom([{ ...admin, methods }]);
    expect(rules.refusal({}, method) !== undefined).toBe(isFor);
  });

  it('admits everyone if it is empty', () => {
    expect(compileRules([]).refusal({})).toBeUndefined();
  });
});
