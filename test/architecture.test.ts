import { fileURLToPath } from 'node:url';
import { checkArchitecture, ruleNames } from './support/architecture/architecture.ts';
import { exportRules } from './support/architecture/exports.ts';
import { readSourceFiles } from './support/architecture/source-files.ts';

const source = fileURLToPath(new URL('../src', import.meta.url));
const violations = checkArchitecture(source);

it.each(ruleNames)('%s', (rule) => {
  const broken = violations.filter((violation) => violation.rule === rule);
  expect(broken.map(({ file, line, message }) => `src/${file}:${line} ${message}`)).toEqual([]);
});

describe('the browser client', () => {
  const files = readSourceFiles(fileURLToPath(new URL('../client', import.meta.url)));

  it('imports only itself, and the framework of an adapter', () => {
    const foreign = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier, target }) => {
          const [framework = ''] = path.split('/');
          const [library = ''] = specifier.split('/');
          return target === undefined ? library !== framework : target.startsWith('..');
        })
        .map(({ specifier }) => `client/${path}: ${specifier}`),
    );
    expect(files.length).toBeGreaterThan(10);
    expect(foreign).toEqual([]);
  });

  it('explains everything that it exports, and has no long files', () => {
    const broken = files.flatMap((file) => [
      ...Object.values(exportRules).flatMap((rule) =>
        [...rule(file)].map(([, message]) => message),
      ),
      ...(file.tree.getLineStarts().length > 250 ? ['is too long'] : []),
    ]);
    expect(broken).toEqual([]);
  });
});
