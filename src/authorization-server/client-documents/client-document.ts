import { redirectUriMistake } from '../../config/values/redirect-uri.ts';
import { isLoopbackAddress } from './public-address.ts';

/** The part of a client ID metadata document that is used, checked. */
export interface ClientDocument {
  readonly clientId: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
  /** The grant types of the document, or those of an ordinary client. */
  readonly grantTypes: readonly string[];
}

/** The most characters of a `client_id`, and the most redirect URIs of a document. */
const limits = { clientId: 512, redirectUris: 50, redirectUri: 512, name: 100 };

/**
 * Reads a `client_id` that is the address of a document. It must be canonical, so that one client
 * has one id: without fragment, user, dot segments or default port. It is https, or http on the own
 * computer if `allowsLoopback`. Returns `undefined` for other ids.
 */
export function documentAddressOf(clientId: string, allowsLoopback: boolean): URL | undefined {
  const url = clientId.length <= limits.clientId ? URL.parse(clientId) : null;
  if (!url || url.href !== clientId || clientId.includes('#')) return undefined;
  if (url.username || url.password) return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isLocal = host === 'localhost' || isLoopbackAddress(host);
  const isWeb =
    url.protocol === 'https:' || (url.protocol === 'http:' && isLocal && allowsLoopback);
  return isWeb ? url : undefined;
}

/**
 * Reads the document of a client. Throws if it is that of another client, or not that of a public
 * client with a redirect URI; the messages are fixed sentences. Redirect URIs that no client may
 * have are left out.
 */
export function readClientDocument(text: string, clientId: string): ClientDocument {
  const document = parsed(text);
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new Error('is no JSON object');
  const properties = document as Readonly<Record<string, unknown>>;
  if (properties['client_id'] !== clientId) throw new Error('has another client_id');
  refuseSecrets(properties);
  const redirectUris = stringsOf(properties['redirect_uris']).filter(isAllowedRedirect);
  if (redirectUris.length === 0) throw new Error('has no redirect_uris that can be used');
  if (redirectUris.length > limits.redirectUris) throw new Error('has too many redirect_uris');
  const { grant_types: grantTypes = ['authorization_code', 'refresh_token'] } = properties;
  return {
    clientId,
    name: nameOf(properties['client_name']) || new URL(clientId).host,
    redirectUris: [...new Set(redirectUris)],
    grantTypes: stringsOf(grantTypes),
  };
}

/** The parser's own error quotes the text, which must not get to the requester. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A document is public, so its client can have no secret, and no key is supported yet. */
function refuseSecrets(properties: Readonly<Record<string, unknown>>): void {
  const { token_endpoint_auth_method: method = 'none' } = properties;
  if (method !== 'none') throw new Error('is not that of a public client');
  if ('client_secret' in properties || 'client_secret_expires_at' in properties)
    throw new Error('contains a secret');
}

function isAllowedRedirect(uri: string): boolean {
  return uri.length <= limits.redirectUri && redirectUriMistake(uri) === undefined;
}

/**
 * A name that cannot hide or rearrange text: without control, format and invisible characters.
 * More than three marks on a letter would cover the lines around it, where the host is. Empty
 * without a letter or digit.
 */
function nameOf(name: unknown): string {
  if (typeof name !== 'string') return '';
  const visible = name
    .normalize('NFC')
    .replace(/[\s\u2800]+/g, ' ')
    .replace(/[\p{C}\p{Default_Ignorable_Code_Point}]/gu, '')
    .replace(/(?<=\p{M}{3})\p{M}/gu, '')
    .trim();
  const shortened = [...visible].slice(0, limits.name).join('').trim();
  return /[\p{L}\p{N}]/u.test(shortened) ? shortened : '';
}

function stringsOf(values: unknown): string[] {
  return Array.isArray(values) ? values.filter((value) => typeof value === 'string') : [];
}
