import { dpopAlgorithms } from '../oauth/bearer/dpop-proofs.ts';
import {
  type AuthorizationServerRoomOptions,
  issuerOf,
  scopesOf,
} from './authorization-server-options.ts';

/** The grant type of the device authorization grant (RFC 8628 §3.4). */
export const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

/** The grant types that clients may use. */
export function grantTypes({ deviceAuthorization }: AuthorizationServerRoomOptions): string[] {
  return ['authorization_code', 'refresh_token', ...(deviceAuthorization ? [deviceGrant] : [])];
}

/** The metadata of the authorization server (RFC 8414 §2), which clients discover it by. */
export function authorizationServerMetadata(options: AuthorizationServerRoomOptions): object {
  const issuer = issuerOf(options);
  const { deviceAuthorization, clientIdMetadataDocuments, resources } = options;
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    revocation_endpoint: `${issuer}/revoke`,
    ...(deviceAuthorization && {
      device_authorization_endpoint: `${issuer}/device_authorization`,
    }),
    scopes_supported: scopesOf(options),
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: grantTypes(options),
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint_auth_methods_supported: ['none'],
    authorization_response_iss_parameter_supported: true,
    dpop_signing_alg_values_supported: dpopAlgorithms,
    ...(clientIdMetadataDocuments && { client_id_metadata_document_supported: true }),
    protected_resources: [...resources.keys()],
  };
}
