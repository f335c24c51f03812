import type { Preset } from './preset.ts';

/**
 * GitHub, for OAuth apps and GitHub Apps. It reports errors with status 200. Tokens of OAuth apps
 * do not expire. Private e-mail addresses have a separate endpoint.
 */
export const github: Preset = {
  options: {
    name: 'GitHub',
    type: 'oauth2',
    issuer: 'https://github.com/login/oauth',
    authorizationEndpoint: 'https://github.com/login/oauth/authorize',
    tokenEndpoint: 'https://github.com/login/oauth/access_token',
    userinfoEndpoint: 'https://api.github.com/user',
    revocationEndpoint: 'https://api.github.com/applications/{clientId}/token',
    clientAuth: 'client_secret_post',
    scopes: ['read:user', 'user:email'],
    user: {
      sub: 'id',
      preferred_username: 'login',
      name: ['name', 'login'],
      email: 'email',
      picture: 'avatar_url',
      profile: 'html_url',
    },
  },
  loginHint: 'login',
  emails: { path: 'emails', scopes: ['user:email', 'user'] },
  errors: {
    bad_verification_code: 'invalid_grant',
    bad_refresh_token: 'invalid_grant',
    incorrect_client_credentials: 'invalid_client',
  },
  revokesByDelete: true,
};
