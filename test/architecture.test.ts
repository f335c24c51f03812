import { fileURLToPath } from 'node:url';
import { checkArchitecture, ruleNames } from './support/architecture/architecture.ts';

const source = fileURLToPath(new URL('../src', import.meta.url));
const violations = checkArchitecture(source);

it.each(ruleNames)('%s', (rule) => {
  const broken = violations.filter((violation) => violation.rule === rule);
  expect(broken.map(({ file, line, message }) => `src/${file}:${line} ${message}`)).toEqual([]);
});
