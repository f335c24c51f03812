import type { Preset } from './preset.ts';

/**
 * Google. It requires its own parameter for refresh tokens, and issues them again only after a new
 * consent.
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
