import type { Preset } from './preset.ts';

/**
 * GitLab, by default gitlab.com. Set `issuer` for a self-managed one. Always issues refresh tokens.
 */
export const gitlab: Preset = {
  options: {
    name: 'GitLab',
    type: 'oidc',
    issuer: 'https://gitlab.com',
    scopes: ['openid', 'profile', 'email'],
  },
};
