import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { ConfigurationError, loadOptions, parseOptions } from '../../src/config/load.ts';

const complete = {
  publicUrl: 'http://localhost:8080',
  session: { secrets: ['kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U'] },
  providers: [
    { id: 'corp', issuer: 'https://login.example.com', clientId: 'spa', clientSecret: 's' },
  ],
};

const route = { path: '/api', upstream: 'http://api:3000' };

function mistakesOf(changes: object): string[] {
  try {
    parseOptions({ ...complete, ...changes });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes.map(({ path, message }) => `${path}: ${message}`);
  }
}

const ofLogin = (...rules: unknown[]) => mistakesOf({ login: { require: rules } });
const ofRoute = (rule: unknown, changes: object = {}) =>
  mistakesOf({ routes: [{ ...route, require: [rule], ...changes }] });

describe('the rules of the contract', () => {
  it('are read as they are written', () => {
    const rules = [
      { claim: 'realm_access.roles', any: ['admin', 'operator'] },
      { claim: 'groups', all: ['staff', 'eu'], methods: ['POST', 'PUT', 'PATCH', 'DELETE'] },
      {
        anyOf: [
          { claim: 'department', equals: 'finance' },
          { claim: 'is_auditor', equals: true },
        ],
      },
    ];
    const login = { require: [{ claim: 'email', emailDomain: ['Example.COM'] }] };
    const options = parseOptions({ ...complete, login, routes: [{ ...route, require: rules }] });
    expect(options.routes[0]?.require).toEqual(rules);
    expect(options.login.require).toEqual([{ claim: 'email', emailDomain: ['example.com'] }]);
  });

  it.each([
    { token: 'user' },
    { token: 'optional' },
    { token: 'client' },
    { token: 'client', session: 'required' },
  ])('are possible on a route with %j', (changes) => {
    expect(ofRoute({ claim: 'a', exists: true }, changes)).toEqual([]);
  });

  it('are off where there are none', () => {
    const options = parseOptions({ ...complete, routes: [route] });
    expect(options.login.require).toBeUndefined();
    expect(options.routes[0]?.require).toBeUndefined();
  });

  it('are warned of where email_verified is about another claim', () => {
    const warningsOf = (rules: unknown[]) =>
      loadOptions({
        file: 'bff.yaml',
        env: {},
        readFile: () =>
          JSON.stringify({
            ...complete,
            login: { require: rules },
            routes: [{ ...route, require: rules }],
          }),
      }).warnings.filter((warning) => warning.includes('email_verified'));
    const emailDomain = ['example.com'];
    expect(
      warningsOf([
        { claim: 'email', emailDomain },
        { claim: 'upn', emailDomain, unverified: true },
      ]),
    ).toEqual([]);
    expect(
      warningsOf([{ claim: 'email', emailDomain }, { anyOf: [{ claim: 'upn', emailDomain }] }]),
    ).toEqual([
      expect.stringMatching(/^login\.require\[1\]: .* address in upn /),
      expect.stringMatching(/^route \/api: require\[1\]: .* address in upn /),
    ]);
  });

  it('have no variables in the environment', () => {
    const { warnings } = loadOptions({
      cwd: '/nowhere',
      env: {
        BFF_PUBLIC_URL: complete.publicUrl,
        BFF_SESSION_SECRET: complete.session.secrets[0],
        BFF_OIDC_ISSUER: 'https://login.example.com',
        BFF_OIDC_CLIENT_ID: 'spa',
        BFF_OIDC_CLIENT_SECRET: 's',
        BFF_API_UPSTREAM: 'http://api:3000',
        BFF_LOGIN_REQUIRE: 'x',
      },
    });
    expect(warnings).toContainEqual(expect.stringContaining('BFF_LOGIN_REQUIRE is not an option'));
  });
});

const operators = 'any, all, equals, exists or emailDomain';

describe('a mistake in a rule is named with its path and a remedy', () => {
  it.each<[unknown, string]>([
    [{ any: ['a'] }, '.claim: is required; name the claim to look at'],
    [{ claim: '', any: ['a'] }, '.claim: is empty; give it a value or remove it'],
    [{ claim: 7, any: ['a'] }, '.claim: must be text; put the number in quotes'],
    [
      { claim: 'aud', any: ['a'] },
      '.claim: is aud, which is about the token and is not kept; name a claim about the user',
    ],
    [{ claim: 'a' }, `: needs ${operators}, which say what the claim must be`],
    [
      { claim: 'a', any: ['a'], all: ['b'] },
      '.all: is set beside any; keep one of them, or make it an entry of its own',
    ],
    [
      { claim: 'a', equals: false, exists: true },
      '.exists: is set beside equals; keep one of them, or make it an entry of its own',
    ],
    [{ claim: 'a', any: [] }, '.any: is empty; name at least one value, or remove the entry'],
    [{ claim: 'a', all: [] }, '.all: is empty; name at least one value, or remove the entry'],
    [{ claim: 'a', any: 'a' }, '.any: must be a list'],
    [{ claim: 'a', any: [['a']] }, '.any[0]: must be text, a number, true or false'],
    [{ claim: 'a', any: [null] }, '.any[0]: must be text, a number, true or false'],
    [{ claim: 'a', any: [''] }, '.any[0]: is empty; use exists to demand that a claim is there'],
    [
      { claim: 'a', equals: Number.NaN },
      '.equals: must be a number that JSON can hold exactly; put larger ones in quotes',
    ],
    [
      { claim: 'a', equals: 2 ** 53 },
      '.equals: must be a number that JSON can hold exactly; put larger ones in quotes',
    ],
    [{ claim: 'a', equals: ['a'] }, '.equals: must be text, a number, true or false'],
    [
      { claim: 'a', exists: false },
      '.exists: must be true; a rule cannot demand that a claim is missing',
    ],
    [
      { claim: 'a', emailDomain: [] },
      '.emailDomain: is empty; name at least one domain, or remove the entry',
    ],
    [
      { claim: 'a', emailDomain: ['@example.com'] },
      '.emailDomain[0]: must be a domain without @, like example.com',
    ],
    [
      { claim: 'a', emailDomain: ['*.example.com'] },
      '.emailDomain[0]: must be a whole domain without *; name every subdomain that counts',
    ],
    [
      { claim: 'a', emailDomain: ['münchen.example'] },
      '.emailDomain[0]: must be written in ASCII, like xn--mnchen-3ya.example',
    ],
    [
      { claim: 'a', emailDomain: ['\u212aiss.example'] },
      '.emailDomain[0]: must be written in ASCII, like xn--mnchen-3ya.example',
    ],
    ...['example.com.', '.example.com', 'exa_mple.com', '-a.example', 'https://a'].map(
      (name): [unknown, string] => [
        { claim: 'a', emailDomain: [name] },
        '.emailDomain[0]: must be a domain, like example.com',
      ],
    ),
    [
      { claim: 'a', any: ['a'], unverified: true },
      '.unverified: is set without emailDomain, which alone it concerns; remove it',
    ],
    [
      { claim: 'a', emailDomain: ['a.example'], unverified: 'yes' },
      '.unverified: must be true or false',
    ],
    [{ anyOf: [] }, '.anyOf: is empty, so it refuses no one; add an entry or remove it'],
    [
      { anyOf: [{ claim: 'a', exists: true }], claim: 'a' },
      '.claim: is set beside anyOf; move it into anyOf or to an entry of its own',
    ],
    [
      { anyOf: [{ anyOf: [{ claim: 'a', exists: true }] }] },
      '.anyOf[0].anyOf: is not possible inside anyOf; put its entries into the outer list',
    ],
    [
      { anyOf: [{ claim: 'a', exists: true, methods: ['GET'] }] },
      '.anyOf[0].methods: is not possible inside anyOf; put it beside anyOf',
    ],
    [
      { anyOf: [{ claim: 'a' }] },
      `.anyOf[0]: needs ${operators}, which say what the claim must be`,
    ],
    [{ claim: 'a', equal: 'x' }, '.equal: is not an option; did you mean equals?'],
    ['admin', ': must be a block with options of its own'],
  ])('%j', (rule, mistake) => {
    expect(ofLogin({ claim: 'first', exists: true }, rule)).toContainEqual(
      `login.require[1]${mistake}`,
    );
    expect(ofRoute(rule)).toContainEqual(`routes[0].require[0]${mistake}`);
  });

  it.each(['post', 'PSOT', '*', 'GET,POST'])('method %s', (method) => {
    expect(ofRoute({ claim: 'a', exists: true, methods: [method] })).toEqual([
      `routes[0].require[0].methods[0]: is ${method}, which is not a method; ` +
        'write it in upper case, like POST',
    ]);
  });

  it('methods without one', () => {
    expect(ofRoute({ claim: 'a', exists: true, methods: [] })).toEqual([
      'routes[0].require[0].methods: is empty; name at least one method, or remove it to mean all',
    ]);
  });

  it('methods at a sign-in', () => {
    expect(ofLogin({ claim: 'a', exists: true, methods: ['GET'] })).toEqual([
      'login.require[0].methods: is possible on routes only; remove it or move the entry ' +
        'to a route',
    ]);
  });

  it('a list without an entry', () => {
    const remedy = 'is empty, so it refuses no one; add an entry or remove it';
    expect(ofLogin()).toEqual([`login.require: ${remedy}`]);
    expect(mistakesOf({ routes: [{ ...route, require: [] }] })).toEqual([
      `routes[0].require: ${remedy}`,
    ]);
  });

  it.each([
    [{ token: 'none' }, 'token is none', 'set token to user'],
    [{ token: 'client', session: 'none' }, 'session is none', 'set session to required'],
  ])('rules on a route with %j', (changes, why, remedy) => {
    expect(ofRoute({ claim: 'a', exists: true }, changes)).toEqual([
      `routes[0].require: is set, but ${why}, so no one is signed in to judge; ` +
        `remove it or ${remedy}`,
    ]);
  });
});

const page = readFileSync('docs/access.md', 'utf8');
const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(
  ([, text = '']) => parse(text) as Record<string, unknown>,
);

it.each(examples.map((example) => [Object.keys(example).join(), example]))(
  'the example of docs/access.md with %s is valid',
  (_, example) => {
    const { require, ...blocks } = example as { require?: unknown };
    const rules = require ? { routes: [{ ...route, require }], login: { require } } : {};
    expect(mistakesOf({ ...blocks, ...rules })).toEqual([]);
  },
);
