import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Exception, findSlowExpressions } from './support/architecture/regular-expressions.ts';
import { runDirectory } from './support/setup/run-directory.ts';

const source = fileURLToPath(new URL('../src', import.meta.url));

/** Why expressions for configuration values may be slow. */
const configuration = 'reads the configuration of the operator, once at the start';

const exceptions: readonly Exception[] = [
  { file: 'config/values/addresses.ts', text: String.raw`/\/+$/`, reason: configuration },
  { file: 'config/values/scalar.ts', text: String.raw`/\s*,\s*/`, reason: configuration },
  {
    file: 'config/blocks/session.ts',
    text: String.raw`/change[-_ ]?(me|this|it)|keyboard[-_ ]?cat|replace[-_ ]?(me|this)|your[-_ ]?(\w+[-_ ])?secret|placeholder/i`,
    reason: configuration,
  },
  {
    file: 'http/pipeline.middleware.ts',
    text: "`^${base}/(?:${endpointNames.join('|')})(?:/|$)`",
    reason: 'one text and nothing that repeats',
  },
  {
    file: 'session/store/redis/diagnosis.ts',
    text: "`^${name}:(.*?)\\\\r?$`, 'm'",
    reason: 'the names are ours, and every line of what Redis says is looked at once',
  },
];

/** The findings in a file of these lines. */
function findingsIn(lines: readonly string[], allowed: readonly Exception[] = []): string[] {
  const directory = mkdtempSync(join(runDirectory(), 'expressions-'));
  writeFileSync(join(directory, 'a.ts'), lines.join('\n'));
  return findSlowExpressions(directory, allowed);
}

describe('regular expressions that take more than linear time', () => {
  it('are none in src/, so no request, token or response can block the process', () => {
    expect(findSlowExpressions(source, exceptions)).toEqual([]);
  }, 120_000);

  it('are found by their line, with an example', () => {
    const findings = findingsIn([
      String.raw`const trailing = / +$/;`,
      String.raw`const nested = new RegExp('^(a+)+$');`,
      'const joined = RegExp(`^(${["x", "(b*)*"].join("|")})$`, "i");',
      String.raw`const good = [/^[^,]*,/, /\d+/, new RegExp('^a+$')];`,
    ]);
    expect(findings).toEqual([
      expect.stringMatching(/^a\.ts:1 \/ \+\$\/: 2nd degree polynomial, for example on /),
      expect.stringMatching(/^a\.ts:2 .*: exponential, for example on /),
      expect.stringMatching(/^a\.ts:3 .*: exponential, for example on /),
    ]);
  });

  it('are suspected in what is made while the program runs', () => {
    const findings = findingsIn(['export const made = (name: string) => new RegExp(`${name}$`);']);
    expect(findings).toEqual([expect.stringContaining('is made while the program runs')]);
  });

  it('are excepted only as long as they exist', () => {
    const exception = { file: 'a.ts', text: '/ +$/', reason: 'an example' };
    expect(findingsIn(['const a = / +$/;'], [exception])).toEqual([]);
    expect(findingsIn(['const a = / +/;'], [exception])).toEqual([
      'a.ts / +$/: an exception for nothing',
    ]);
  });
});
