import { ConfigurationError, loadOptions } from '../../src/config/load.ts';

const token = 'abcdefghijklmnop';
const file = `publicUrl: https://app.example.com
redis: { url: redis://redis }
session: { secrets: [kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U] }
providers:
  - { id: corp, issuer: https://login.example.com, clientId: spa, clientSecret: s }
routes: [{ path: /api, upstream: http://api:3000 }]
`;

/** With a YAML value for the token, an environment, and files. */
function load(
  value?: string,
  env: Record<string, string> = {},
  files: Record<string, string> = {},
): string | undefined {
  const content = value === undefined ? file : `${file}management: { token: ${value} }\n`;
  const readFile = (path: string) => files[path] ?? content;
  return loadOptions({ file: '/bff.yaml', env, cwd: '/', readFile }).options.management.token;
}

function mistakeIn(...parameters: Parameters<typeof load>): string {
  try {
    return `accepted: ${load(...parameters)}`;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.message;
  }
}

function loadWith(env: Record<string, string>) {
  return loadOptions({ file: '/bff.yaml', env, cwd: '/', readFile: () => file });
}

const limit = (value: string) =>
  loadWith({ BFF_SESSION_MAX_PER_USER: value }).options.session.maxPerUser;

describe('management.token', () => {
  it('is none unless it is set', () => {
    expect(load()).toBeUndefined();
    expect(load(undefined, { BFF_MANAGEMENT_TOKEN: '' })).toBeUndefined();
  });

  it('comes from the file, a variable, or a file that a variable names', () => {
    expect(load(token)).toBe(token);
    expect(load('${ADMIN_TOKEN}', { ADMIN_TOKEN: token })).toBe(token);
    expect(load(undefined, { BFF_MANAGEMENT_TOKEN: token })).toBe(token);
    const named = { BFF_MANAGEMENT_TOKEN_FILE: '/run/token' };
    expect(load(undefined, named, { '/run/token': `${token}\n` })).toBe(token);
    expect(load('~', { BFF_MANAGEMENT_TOKEN: `${token}!#$%` })).toBe(`${token}!#$%`);
  });

  it.each([
    ['an empty one', '""', /token: is empty; give it a value or remove it/],
    ['one of spaces', '"                  "', /token: is empty/],
    ['an empty variable in the file', '${EMPTY}', /management\.token: /],
    ['a number', '1234567890123456', /token: must be text; put the number in quotes/],
    ['a space within', `"${token} x"`, /token: may contain only ASCII without spaces; make one/],
    ['a line break at the end', `"${token}\\n"`, /token: may contain only ASCII without spaces/],
    ['letters no header carries', `${token}ä`, /token: may contain only ASCII without spaces/],
  ])('is not %s', (_, value, sentence) => {
    expect(mistakeIn(value, { EMPTY: '' })).toMatch(sentence);
  });

  it('has a warning when it is short enough to be guessed', () => {
    const warnings = (value: string) => loadWith({ BFF_MANAGEMENT_TOKEN: value }).warnings;
    expect(warnings(token)).toEqual([]);
    expect(warnings(token.slice(1))).toEqual([
      'management.token is short enough to be guessed; make one with: openssl rand -hex 32',
    ]);
  });

  it('is not an empty file', () => {
    const env = { BFF_MANAGEMENT_TOKEN_FILE: '/run/token' };
    expect(mistakeIn(undefined, env, { '/run/token': '\n' })).toMatch(
      /management\.token: is empty; .* \(from BFF_MANAGEMENT_TOKEN_FILE\)/,
    );
  });

  it('is never shown, only where it came from', () => {
    const env = { BFF_MANAGEMENT_TOKEN: 'hunter2 hunter2' };
    const mistake = mistakeIn(undefined, env);
    expect(mistake).toMatch(/may contain only ASCII .* \(from BFF_MANAGEMENT_TOKEN\)/);
    expect(mistake).not.toContain('hunter2');
  });
});

describe('session.maxPerUser', () => {
  it('is 100 unless it is set, and a whole number', () => {
    expect([limit(''), limit('0'), limit('3')]).toEqual([100, 0, 3]);
    for (const wrong of ['-1', '1.5', 'many', '1000001'])
      expect(() => limit(wrong)).toThrow(/session\.maxPerUser: must be a whole number from 0/);
  });
});
