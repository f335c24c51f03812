import type { Preset } from './preset.ts';

/**
 * Microsoft Entra ID, single tenant. Its UserInfo belongs to Microsoft Graph and does not accept
 * access tokens for your own API.
 */
export const entra: Preset = {
  options: {
    name: 'Microsoft',
    type: 'oidc',
    clientAuth: 'client_secret_post',
    scopes: ['openid', 'profile', 'email', 'offline_access'],
    loginParams: ['domain_hint'],
  },
  issuerExample: 'https://login.microsoftonline.com/<tenant id>/v2.0',
  sharedIssuers: /\/(common|organizations|consumers)(\/|$)/,
  withoutUserInfo: true,
};
