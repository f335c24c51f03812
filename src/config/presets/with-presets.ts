import type { Preset } from './preset.ts';
import { presetOf } from './presets.ts';
import { isBlock, valueAt, withValue } from '../sources/tree.ts';

type Block = Readonly<Record<string, unknown>>;

/** Adds the defaults of presets to a configuration. Options that are set stay unchanged. */
export function withPresets(tree: unknown): unknown {
  const providers = valueAt(tree, ['providers']);
  if (!Array.isArray(providers)) return tree;
  return withValue(tree, ['providers'], providers.map(withPreset));
}

function withPreset(provider: unknown): unknown {
  if (!isBlock(provider)) return provider;
  // A key without a value counts as not set, but a misspelled one must be reported.
  const written: Block = Object.fromEntries(
    Object.entries(provider).filter(([, value]) => value !== undefined),
  );
  const preset = presetOf(written);
  const protocolDefaults = written['type'] === 'oauth2' ? { scopes: [] } : {};
  if (!preset) return { ...provider, ...protocolDefaults, ...written };
  const merged: Block = { ...provider, ...defaultsOf(preset, written), ...written };
  return { ...merged, ...fieldsOf(preset, written), ...issuerOf(preset, merged) };
}

/**
 * The preset's defaults. If the operator sets an endpoint on another server, the defaults that
 * would send its tokens to the preset's service are dropped and must be set too.
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

/** Merges claim by claim, so that one additional field does not drop the others. */
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
