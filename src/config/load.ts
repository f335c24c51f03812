import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { signInRules } from './blocks/access-rules.ts';
import { optionsOf } from './catalogue.ts';
import { warnings } from './warnings.ts';
import { type Environment, readSettings, unknownVariables } from './sources/environment.ts';
import { interpolate } from './sources/interpolate.ts';
import { formatPath, issueMessage, type Mistake, mistakesOf, type Path } from './mistakes.ts';
import { type AccessRule, type Options, optionsSchema } from './options.ts';
import { type Entries, locate, type Origin, overlay } from './sources/overlay.ts';
import { pathsLike, valueAt, withValue } from './sources/tree.ts';
import { variablesOf } from './sources/variables.ts';
import { withPresets } from './presets/with-presets.ts';
import { parseYaml } from './sources/yaml-file.ts';

const catalogue = optionsOf(optionsSchema);

/** A mistake whose path is formatted as text. */
export interface FormattedMistake {
  readonly path: string;
  readonly message: string;
}

/** The configuration is not valid. The error lists every mistake with its path. */
export class ConfigurationError extends Error {
  readonly mistakes: readonly FormattedMistake[];

  constructor(mistakes: readonly (Mistake | FormattedMistake)[]) {
    const formatted = mistakes.map(({ path, message }) => ({
      path: typeof path === 'string' ? path : formatPath(path),
      message,
    }));
    const count = formatted.length === 1 ? 'a mistake' : `${formatted.length} mistakes`;
    const lines = formatted.map(({ path, message }) => `  ${path}: ${message}`);
    super([`The configuration has ${count}:`, ...lines].join('\n'));
    this.name = 'ConfigurationError';
    this.mistakes = formatted;
  }
}

/**
 * Creates the error for `ca`, `clientCert` and `clientKey` of the block at `path`, if they cannot be
 * used together for the `reason`.
 */
export function unusableCertificates(path: Path, reason: string): ConfigurationError {
  const message =
    `ca, clientCert and clientKey cannot be used together (${reason}); ` +
    'give PEM files, and the key that belongs to the certificate';
  return new ConfigurationError([{ path, message }]);
}

/** The sources of a configuration. All are optional. */
export interface Sources {
  /**
   * The configuration file. Defaults to `BFF_CONFIG`, then to `bff.yaml` if it exists. Without a
   * file only the environment is used.
   */
  readonly file?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly readFile?: (path: string) => string;
  /** The base folder of relative paths in the command line and the environment. */
  readonly cwd?: string;
}

/** The options, their warnings and their source. */
export interface LoadedOptions {
  readonly options: Options;
  readonly warnings: readonly string[];
  /** The absolute path of the file, or `environment`. */
  readonly source: string;
}

/**
 * Validates the options of a host application. Relative paths are resolved from `baseDir`, by
 * default the working directory. Throws `ConfigurationError`.
 */
export function parseOptions(input: unknown, { baseDir = process.cwd() } = {}): Options {
  const { options, mistakes } = validate(withAbsolutePaths(input, baseDir));
  if (!options) throw new ConfigurationError(mistakes);
  return options;
}

/**
 * Validates rules that are written in code, in the form of `login.require`. `where` is the prefix
 * of the path in each mistake. Throws `ConfigurationError`.
 */
export function parseRules(input: unknown, where: string): readonly AccessRule[] {
  const { data, error } = signInRules.safeParse(input, { error: issueMessage });
  if (!error) return data;
  const mistakes = mistakesOf(error, optionsOf(signInRules));
  const formatted = mistakes.map(({ path, message }) => ({
    path: path.length > 0 ? where + formatPath(path) : where,
    message,
  }));
  throw new ConfigurationError(formatted);
}

/**
 * Reads the configuration file and the environment, which takes precedence. Throws a
 * `ConfigurationError` with every mistake.
 */
export function loadOptions(sources: Sources = {}): LoadedOptions {
  const { file, env = process.env, readFile = readText, cwd = process.cwd() } = sources;
  const environment = {
    variables: env,
    readFile: (path: string) => readFile(resolve(cwd, path)),
  };
  const source = chooseFile(file, env, cwd);
  const document = source ? readDocument(source, readFile) : { tree: {}, mistakes: [] };
  const referred = interpolate(document.tree, environment);
  const fromFile = withAbsolutePaths(referred.result, source ? dirname(source) : cwd);
  const merged = overlay(fromFile, readSettings(catalogue, environment));
  const tree = withAbsolutePaths(merged.tree, cwd);

  const sourceMistakes = [...document.mistakes, ...referred.mistakes, ...merged.mistakes];
  const { options, mistakes } = validate(tree);
  const origins = [...merged.placed, ...referred.origins];
  const valueMistakes = mistakes
    .filter((mistake) => !sourceMistakes.some(({ path }) => isPrefix(path, mistake.path)))
    .map((mistake) => withOrigin(mistake, tree, origins, merged.entries));
  if (!options || sourceMistakes.length > 0)
    throw new ConfigurationError([...sourceMistakes, ...valueMistakes]);

  const unknownNames = unknownVariables(catalogue, environment, referred.used);
  return {
    options,
    warnings: [...warnings(options), ...unknownNames],
    source: source ?? 'environment',
  };
}

function validate(tree: unknown): { options?: Options; mistakes: readonly Mistake[] } {
  const { data, error } = optionsSchema.safeParse(withPresets(tree), { error: issueMessage });
  return error ? { mistakes: mistakesOf(error, catalogue) } : { options: data, mistakes: [] };
}

function chooseFile(
  file: string | undefined,
  env: Environment['variables'],
  cwd: string,
): string | undefined {
  const named = file ?? (env['BFF_CONFIG'] || undefined);
  if (named !== undefined) return resolve(cwd, named);
  const defaultFile = resolve(cwd, 'bff.yaml');
  return existsSync(defaultFile) ? defaultFile : undefined;
}

function readDocument(path: string, readFile: (path: string) => string) {
  let content: string;
  try {
    content = readFile(path);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    const message = `the file ${path} cannot be read (${reason})`;
    return { tree: {}, mistakes: [{ path: [], message }] };
  }
  return parseYaml(content);
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}

function withAbsolutePaths(input: unknown, baseDir: string): unknown {
  const files = catalogue.filter(({ notes }) => notes.isPath);
  const paths = files.flatMap(({ path }) => pathsLike(input, path));
  return paths.reduce((tree, path) => {
    const value = valueAt(tree, path);
    return typeof value === 'string' && value.trim() !== ''
      ? withValue(tree, path, resolve(baseDir, value))
      : tree;
  }, input);
}

/** Appends the variable that a wrong value comes from, or one that can set a missing value. */
function withOrigin(
  { path, message }: Mistake,
  tree: unknown,
  origins: readonly Origin[],
  entries: Entries,
): Mistake {
  const from = origins.find((origin) => isPrefix(origin.path, path));
  if (from) return { path, message: `${message} (from ${from.origin})` };
  if (valueAt(tree, path) !== undefined) return { path, message };
  const option = catalogue.find((candidate) => isSame(locate(candidate.path, entries), path));
  const [variable] = option ? variablesOf(option) : [];
  return { path, message: variable ? `${message} (in the environment: ${variable})` : message };
}

function isPrefix(prefix: Path, path: Path): boolean {
  return prefix.every((key, depth) => key === path[depth]);
}

function isSame(a: Path | undefined, b: Path): boolean {
  return a?.length === b.length && isPrefix(a, b);
}
