import type { Preset } from './preset.ts';

/** Discord. It supports standard OAuth 2, but its OpenID Connect cannot be discovered. */
export const discord: Preset = {
  options: {
    name: 'Discord',
    type: 'oauth2',
    issuer: 'https://discord.com',
    authorizationEndpoint: 'https://discord.com/oauth2/authorize',
    tokenEndpoint: 'https://discord.com/api/oauth2/token',
    userinfoEndpoint: 'https://discord.com/api/users/@me',
    revocationEndpoint: 'https://discord.com/api/oauth2/token/revoke',
    clientAuth: 'client_secret_post',
    scopes: ['identify', 'email'],
    user: {
      sub: 'id',
      preferred_username: 'username',
      name: ['global_name', 'username'],
      email: 'email',
      email_verified: 'verified',
      picture: 'https://cdn.discordapp.com/avatars/{id}/{avatar}.png',
      locale: 'locale',
    },
  },
};
