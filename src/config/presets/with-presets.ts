import type { Preset } from './preset.ts';
import { presetOf } from './presets.ts';
import { isBlock, valueAt, withValue } from '../sources/tree.ts';

type Block = Readonly<Record<string, unknown>>;

/** The configuration with what presets say where the operator says nothing. */
export function withPresets(tree: unknown): unknown {
  const providers = valueAt(tree, ['providers']);
  if (!Array.isArray(providers)) return tree;
  return withValue(tree, ['providers'], providers.map(withPreset));
}

function withPreset(provider: unknown): unknown {
  if (!isBlock(provider)) return provider;
  // A key without a value says nothing, but a misspelt one has to be seen.
  const written: Block = Object.fromEntries(
    Object.entries(provider).filter(([, value]) => value !== undefined),
  );
  const preset = presetOf(written);
  const plain = written['type'] === 'oauth2' ? { scopes: [] } : {};
  if (!preset) return { ...provider, ...plain, ...written };
  const merged: Block = { ...provider, ...defaultsOf(preset, written), ...written };
  return { ...merged, ...fieldsOf(preset, written), ...issuerOf(preset, merged) };
}

/**
 * The preset's options, without those that would send the tokens of another server to the service:
 * who names a token endpoint elsewhere has to name the other places for its tokens too.
 */
function defaultsOf({ options }: Preset, written: Block): Block {
  const { user: _user, ...defaults } = options;
  const isElsewhere = (name: 'authorizationEndpoint' | 'tokenEndpoint') =>
    name in written && originOf(written[name]) !== originOf(options[name]);
  const sendsElsewhere = isElsewhere('authorizationEndpoint');
  const redeemsElsewhere = isElsewhere('tokenEndpoint');
  const foreign = new Set([
    ...(options.type === 'oauth2' && (sendsElsewhere || redeemsElsewhere) ? ['issuer'] : []),
    ...(redeemsElsewhere ? ['userinfoEndpoint', 'revocationEndpoint'] : []),
  ]);
  return Object.fromEntries(
    Object.entries(defaults)
      .filter(([name]) => !foreign.has(name))
      .map(([name, value]) => [name, completed(value, written['clientId'])]),
  );
}

/** Each claim on its own: one more field does not mean that the others are unknown. */
function fieldsOf({ options }: Preset, { user = {} }: Block): Block {
  return options.user && isBlock(user) ? { user: { ...options.user, ...user } } : {};
}

function issuerOf({ issuerEndsWithSlash }: Preset, { issuer }: Block): Block {
  const isUnfinished = issuerEndsWithSlash && typeof issuer === 'string' && /[^/]$/.test(issuer);
  return isUnfinished ? { issuer: `${issuer}/` } : {};
}

function completed(value: unknown, clientId: unknown): unknown {
  return typeof value === 'string'
    ? value.replace('{clientId}', encodeURIComponent(String(clientId)))
    : value;
}

function originOf(address: unknown): string | undefined {
  return typeof address === 'string' ? URL.parse(address)?.origin : undefined;
}
