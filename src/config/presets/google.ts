import type { Preset } from './preset.ts';

/**
 * Google. It gives refresh tokens for a parameter of its own, and after the first time only with a
 * new consent.
 */
export const google: Preset = {
  options: {
    name: 'Google',
    type: 'oidc',
    issuer: 'https://accounts.google.com',
    clientAuth: 'client_secret_post',
  },
  offlineAccess: { access_type: 'offline', prompt: 'consent' },
};
