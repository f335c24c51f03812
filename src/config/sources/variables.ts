import type { Option } from '../catalogue.ts';

/** The provider and the route that the environment alone can describe. */
const shortPrefixes: Readonly<Record<string, string>> = { providers: 'OIDC', routes: 'API' };

/** Shorter names, beside those that follow from the path. */
const shortNames: Readonly<Record<string, string>> = {
  'session.secrets': 'BFF_SESSION_SECRET',
  'frontend.directory': 'BFF_FRONTEND_DIR',
};

/**
 * The environment variables that can set an option, the one to recommend first: its path, as
 * `server.port` is `BFF_SERVER_PORT`. Fields of the provider `default` begin with `BFF_OIDC_`,
 * those of one route with `BFF_API_`.
 */
export function variablesOf({ path, kind }: Pick<Option, 'path' | 'kind'>): readonly string[] {
  if (kind !== 'scalar' && kind !== 'list') return [];
  const [block = '', entry, ...rest] = path;
  if (entry === '*')
    return block === 'providers' && rest[0] === 'id'
      ? []
      : [spell([shortPrefixes[block] ?? block, ...rest])];
  const short = shortNames[path.join('.')];
  return short ? [short, spell(path)] : [spell(path)];
}

function spell(path: readonly string[]): string {
  const words = path.map((key) => key.replaceAll(/(?<=[a-z])[A-Z]/g, '_$&'));
  return `BFF_${words.join('_').toUpperCase()}`;
}
