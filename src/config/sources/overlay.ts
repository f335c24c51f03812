import type { Setting } from './environment.ts';
import { type Mistake, type Path, formatPath } from '../mistakes.ts';
import { isBlock, valueAt, withValue } from './tree.ts';

/** The variable that a configuration value came from. */
export interface Origin {
  readonly path: Path;
  readonly origin: string;
}

/** For each list of blocks, the index of the entry that the short variable names set. */
export type Entries = Readonly<Record<string, number>>;

/**
 * Merges the environment into the file. The environment takes precedence. `placed` lists the values
 * that come from it.
 */
export function overlay(file: unknown, settings: readonly Setting[]) {
  const { tree: withEntries, entries, mistakes } = withDescribedEntries(file, settings);
  const placed: Origin[] = [];
  let tree = withEntries;
  for (const { option, variable, value, mistake } of settings) {
    const path = locate(option.path, entries);
    if (!path) continue;
    tree = withValue(tree, path, value);
    if (isFalse(valueAt(tree, path.slice(0, -1)))) mistakes.push(besideFalse(path, variable));
    placed.push({ path, origin: variable });
    if (mistake) mistakes.push({ path, message: mistake });
  }
  return { tree, placed, entries, mistakes };
}

/** The mistake of an option inside a block that is `false`, where it has no effect. */
function besideFalse(path: Path, variable: string): Mistake {
  const block = formatPath(path.slice(0, -1));
  return { path, message: `is set, but ${block} is false; keep one of them (from ${variable})` };
}

function isFalse(value: unknown): boolean {
  return value === false || value === 'false';
}

/**
 * Replaces `*` in a path by the index of the entry that the environment sets. `undefined` if it
 * sets none in that list.
 */
export function locate(path: readonly string[], entries: Entries): Path | undefined {
  const [block = '', entry, ...rest] = path;
  if (entry !== '*') return path;
  const index = entries[block];
  return index === undefined ? undefined : [block, index, ...rest];
}

/** The options that identify a provider's server. */
const identifying = ['issuer', 'preset', 'authorizationEndpoint'];

/** Adds the provider `default` and the route of the short variable names, if they are missing. */
function withDescribedEntries(file: unknown, settings: readonly Setting[]) {
  const provider = settings.filter(({ option }) => option.path[0] === 'providers');
  const route = settings.filter(({ option }) => option.path[0] === 'routes');
  const entries: Record<string, number> = {};
  const mistakes: Mistake[] = [];
  let tree = file;

  if (provider.length > 0) {
    const index = indexOf(tree, 'providers', 'id', 'default');
    const exists = valueAt(tree, ['providers', index]) !== undefined;
    if (exists || identifying.some((name) => field(provider, name))) {
      entries['providers'] = index;
      tree = withEntry(tree, 'providers', index, { id: 'default' });
    } else mistakes.push({ path: ['providers'], message: withoutIssuer(provider) });
  }
  if (route.length > 0) {
    const path = field(route, 'path')?.value ?? '/api';
    const index = indexOf(tree, 'routes', 'path', path);
    entries['routes'] = index;
    tree = withEntry(tree, 'routes', index, { path });
  }
  return { tree, entries, mistakes };
}

function field(settings: readonly Setting[], name: string): Setting | undefined {
  return settings.find(({ option: { path } }) => path.length === 3 && path[2] === name);
}

/** The index of the entry with this key, or of a new entry at the end. */
function indexOf(tree: unknown, block: string, key: string, value: unknown): number {
  const list = valueAt(tree, [block]);
  if (!Array.isArray(list)) return 0;
  const index = list.findIndex((entry) => isBlock(entry) && entry[key] === value);
  return index < 0 ? list.length : index;
}

/** Keeps a value that is not a list, so that the mistake in the file is reported. */
function withEntry(tree: unknown, block: string, index: number, entry: object): unknown {
  const list = valueAt(tree, [block]) ?? [];
  if (!Array.isArray(list) || index < list.length) return tree;
  return withValue(tree, [block], [...list, entry]);
}

function withoutIssuer(settings: readonly Setting[]): string {
  const variables = settings.map(({ variable }) => variable).join(', ');
  return (
    `${variables} belong to a provider with the id default, and there is none; ` +
    'set BFF_OIDC_ISSUER or BFF_OIDC_PRESET too'
  );
}
