import type { Preset } from './preset.ts';

/**
 * GitLab, at gitlab.com unless `issuer` names your own. Its sign-ins always bring a refresh token.
 */
export const gitlab: Preset = {
  options: {
    name: 'GitLab',
    type: 'oidc',
    issuer: 'https://gitlab.com',
    scopes: ['openid', 'profile', 'email'],
  },
};
