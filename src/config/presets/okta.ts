import type { Preset } from './preset.ts';

/**
 * Okta. Only a custom authorization server, such as `default`, issues access tokens for your own
 * API.
 */
export const okta: Preset = {
  options: {
    name: 'Okta',
    type: 'oidc',
    scopes: ['openid', 'profile', 'email', 'offline_access'],
    loginParams: ['idp'],
  },
  issuerExample: 'https://<organization>.okta.com/oauth2/default',
};
