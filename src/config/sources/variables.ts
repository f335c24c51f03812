import type { Option } from '../catalogue.ts';

/** The prefixes for the provider and the route that the environment can set alone. */
const shortPrefixes: Readonly<Record<string, string>> = { providers: 'OIDC', routes: 'API' };

/** Short names in addition to those derived from the path. */
const shortNames: Readonly<Record<string, string>> = {
  'session.secrets': 'BFF_SESSION_SECRET',
  'frontend.directory': 'BFF_FRONTEND_DIR',
};

/**
 * The environment variables of an option, the recommended one first. Names follow the path:
 * `server.port` is `BFF_SERVER_PORT`. The provider `default` uses `BFF_OIDC_`, the route
 * `BFF_API_`. A block that can be replaced by `false` has a variable that accepts only `false`.
 * Entries of other lists of blocks, such as rules, have no variables.
 */
export function variablesOf(
  option: Pick<Option, 'path' | 'kind' | 'mayBeFalse'>,
): readonly string[] {
  const { path, kind, mayBeFalse } = option;
  if (kind !== 'scalar' && kind !== 'list' && !mayBeFalse) return [];
  const [block = '', entry, ...rest] = path;
  if (rest.includes('*')) return [];
  if (entry === '*')
    return block === 'providers' && rest[0] === 'id'
      ? []
      : [variableName([shortPrefixes[block] ?? block, ...rest])];
  const short = shortNames[path.join('.')];
  return short ? [short, variableName(path)] : [variableName(path)];
}

function variableName(path: readonly string[]): string {
  const words = path.map((key) => key.replaceAll(/(?<=[a-z])[A-Z]/g, '_$&'));
  return `BFF_${words.join('_').toUpperCase()}`;
}
