/**
 * What the demo's parties agree on when nobody says otherwise. `demo/bff.yaml` names the same
 * client, audience and scopes.
 */

/** The client the BFF is registered as. */
const demoClientId = 'demo-spa';

/**
 * The BFF's registration at the authorization server. Absent `clientId`: that of `demo/bff.yaml`.
 */
export function demoClient(publicUrl: string, clientSecret: string, clientId = demoClientId) {
  return {
    clientId,
    clientSecret,
    name: 'Pixie BFF demo',
    redirectUris: [`${publicUrl}/bff/callback`],
    postLogoutRedirectUris: [`${publicUrl}/bff/logout/callback`],
  };
}

/**
 * Whom access tokens are for: the `aud` the authorization server writes and the API insists on (RFC
 * 9068 §3).
 */
export const demoAudience = 'urn:pixie-demo:notes';

/** The scopes of the API; each of its resources asks for one of them. */
export const apiScopes = ['notes:read', 'notes:write'] as const;
