import type { Preset } from './preset.ts';

/**
 * Keycloak. Its sign-ins always bring a refresh token; `offline_access` would make it one that
 * outlives the session.
 */
export const keycloak: Preset = {
  options: {
    name: 'Keycloak',
    type: 'oidc',
    scopes: ['openid', 'profile', 'email'],
    loginParams: ['kc_idp_hint'],
  },
  issuerExample: 'https://<host>/realms/<realm>',
};
