import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { optionsOf } from '../../src/config/catalogue.ts';
import { loadOptions } from '../../src/config/load.ts';
import { optionsSchema } from '../../src/config/options.ts';
import { variablesOf } from '../../src/config/sources/variables.ts';

const page = readFileSync('docs/configuration.md', 'utf8');
const catalogue = optionsOf(optionsSchema);

it('docs/configuration.md is what the schema says', () => {
  expect(() =>
    execFileSync(process.execPath, ['scripts/configuration-docs.ts', '--check'], { stdio: 'pipe' }),
  ).not.toThrow();
});

it('describes every option', () => {
  const options = catalogue.filter(({ kind }) => kind !== 'block');
  expect(options.filter(({ description }) => !description.endsWith('.'))).toEqual([]);
});

it('gives every option a variable of its own', () => {
  const names = catalogue.flatMap(variablesOf);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => name.endsWith('_FILE'))).toEqual([]);
  expect(names).toEqual(expect.arrayContaining(['BFF_SERVER_PORT', 'BFF_SESSION_MAX_PER_USER']));
});

function block(language: string): string {
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? '';
}

describe('the examples on the page', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bff-documentation-'));
    mkdirSync(join(folder, 'web'));
    writeFileSync(join(folder, 'web', 'index.html'), '<!doctype html>');
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const secret = 'kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U';

  it('are a file that starts', () => {
    const { options } = loadOptions({
      file: 'bff.yaml',
      env: { BFF_SESSION_SECRET: secret, OIDC_SECRET: 's' },
      cwd: folder,
      readFile: () => block('yaml'),
    });
    expect(options).toMatchObject({ session: { secrets: [secret] }, routes: [{ path: '/api' }] });
  });

  it('are an environment that starts', () => {
    const lines = block('sh').trim().replace('/srv/web', 'web').split('\n');
    const { options, warnings } = loadOptions({
      env: Object.fromEntries(lines.map((line) => line.split('='))),
      cwd: folder,
      readFile: () => secret,
    });
    expect(options).toMatchObject({ session: { secrets: [secret] }, routes: [{ path: '/api' }] });
    expect(warnings).toEqual([]);
  });
});
