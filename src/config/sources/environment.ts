import type { Option } from '../catalogue.ts';
import { nearest } from '../values/spelling.ts';
import { variablesOf } from './variables.ts';

/** The environment variables of a process, and a reader for the files that they name. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
}

/** The value of an option from an environment variable, or the mistake in it. */
export interface Setting {
  readonly option: Option;
  readonly variable: string;
  readonly value?: string | readonly string[];
  readonly mistake?: string;
}

/** The result of reading a variable: not set, a value or a mistake. */
export type Reading =
  | { readonly kind: 'unset' }
  | { readonly kind: 'value'; readonly value: string; readonly variable: string }
  | { readonly kind: 'mistake'; readonly message: string };

/**
 * Reads `NAME`, or the file that `NAME_FILE` names, without its final line break. An empty variable
 * counts as not set, because compose files and charts cannot omit one.
 */
export function readVariable({ variables, readFile }: Environment, name: string): Reading {
  const value = variables[name];
  const file = variables[`${name}_FILE`];
  if (value && file)
    return { kind: 'mistake', message: `${name} and ${name}_FILE are both set; keep one of them` };
  if (value) return { kind: 'value', value, variable: name };
  if (!file) return { kind: 'unset' };
  try {
    const content = readFile(file).replace(/\r?\n$/, '');
    return { kind: 'value', value: content, variable: `${name}_FILE` };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    return {
      kind: 'mistake',
      message: `${name}_FILE names the file ${file}, which cannot be read (${reason})`,
    };
  }
}

/** Every option that the environment sets. */
export function readSettings(catalogue: readonly Option[], environment: Environment): Setting[] {
  return catalogue.flatMap((option) => {
    const found = variablesOf(option)
      .map((name) => ({ name, reading: readVariable(environment, name) }))
      .filter(({ reading }) => reading.kind !== 'unset');
    const names = found.map(({ name }) => name).join(' and ');
    if (found.length > 1)
      return [{ option, variable: names, mistake: `${names} are both set; keep one of them` }];
    return found.flatMap(({ name, reading }) => settingsFrom(option, name, reading));
  });
}

/**
 * Warnings about variables with our prefix that match no option. They are not mistakes, because
 * Kubernetes creates such variables for a service named `bff`.
 */
export function unknownVariables(
  catalogue: readonly Option[],
  { variables }: Environment,
  used: ReadonlySet<string>,
): string[] {
  const names = catalogue.flatMap(variablesOf);
  const known = new Set(['BFF_CONFIG', ...used, ...names, ...names.map((name) => `${name}_FILE`)]);
  return Object.keys(variables)
    .filter((name) => name.startsWith('BFF_') && !known.has(name))
    .map((name) => {
      const similar = nearest(name, names);
      const hint = similar ? `; did you mean ${similar}?` : '';
      return `${name} is not an option and has no effect${hint}`;
    });
}

function settingsFrom(option: Option, name: string, reading: Reading): Setting[] {
  switch (reading.kind) {
    case 'unset':
      return [];
    case 'mistake':
      return [{ option, variable: name, mistake: reading.message }];
    case 'value':
      return [
        { option, variable: reading.variable, value: entriesOf(option, name, reading.value) },
      ];
  }
}

/** Splits a list at commas, except for the one variable that holds a single entry. */
function entriesOf(option: Option, name: string, value: string): string | readonly string[] {
  if (option.kind !== 'list') return value;
  if (name === 'BFF_SESSION_SECRET') return [value];
  return value.trim().split(option.notes.separator ?? ',');
}
