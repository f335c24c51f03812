import type { Preset } from './preset.ts';

/** Auth0. Its issuers end with a slash. */
export const auth0: Preset = {
  options: {
    name: 'Auth0',
    type: 'oidc',
    clientAuth: 'client_secret_post',
    scopes: ['openid', 'profile', 'email', 'offline_access'],
    loginParams: ['connection', 'organization', 'invitation', 'screen_hint'],
  },
  issuerExample: 'https://<tenant>.auth0.com/',
  issuerEndsWithSlash: true,
};
