import type { Preset } from './preset.ts';

/**
 * Keycloak. It always issues refresh tokens. With `offline_access` they would outlive the session.
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
