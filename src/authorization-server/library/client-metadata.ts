import type { ClientMetadata } from 'oidc-provider';
import { type AuthorizationServerRoomOptions, scopesOf } from '../authorization-server-options.ts';
import type { ClientDocument } from '../client-documents/client-document.ts';
import { deviceGrant, grantTypes } from '../metadata.ts';
import { baseScope } from './requests.ts';

/** Returns the metadata of a registered client, as the library needs it (RFC 7591 §2). */
export function metadataOfClient(
  { id, name, redirectUris, scopes }: AuthorizationServerRoomOptions['clients'][number],
  options: AuthorizationServerRoomOptions,
): ClientMetadata {
  const mayRedirect = redirectUris.length > 0;
  return {
    client_id: id,
    client_name: name,
    redirect_uris: [...redirectUris],
    scope: [...(scopes ?? scopesOf(options)), baseScope].join(' '),
    grant_types: grantTypes(options).filter((one) => mayRedirect || one !== 'authorization_code'),
    response_types: mayRedirect ? ['code'] : [],
  };
}

/**
 * Returns the metadata of a client that has a document. It may ask for every scope: the user
 * consents to each.
 */
export function metadataOfDocument(
  { clientId, name, redirectUris, grantTypes: named }: ClientDocument,
  options: AuthorizationServerRoomOptions,
): ClientMetadata {
  const client = { id: clientId, name, redirectUris: [...redirectUris] };
  const metadata = metadataOfClient(client, options);
  // A device grant needs no redirect URI, so it is open only to clients that declare it.
  const isAllowed = (one: string) => one !== deviceGrant || named.includes(one);
  return { ...metadata, grant_types: grantTypes(options).filter(isAllowed) };
}
