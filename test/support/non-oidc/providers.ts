import type { OptionsInput } from '../../../src/config/options.ts';
import type { FakeDiscord } from './fake-discord.ts';
import { FakeGitHub } from './fake-github.ts';
import { registered } from './fake-service.ts';

type ProviderInput = OptionsInput['providers'][number];

/** The preset, pointed at a fake GitHub as it would be at a GitHub Enterprise Server. */
export function githubAt({ url }: FakeGitHub, changes: Partial<ProviderInput> = {}): ProviderInput {
  const api = url + FakeGitHub.api;
  return {
    id: 'github',
    preset: 'github',
    ...registered,
    authorizationEndpoint: `${url}/login/oauth/authorize`,
    tokenEndpoint: `${url}/login/oauth/access_token`,
    userinfoEndpoint: `${api}/user`,
    revocationEndpoint: `${api}/applications/${registered.clientId}/token`,
    ...changes,
  };
}

/** The preset, pointed at a fake Discord. */
export function discordAt(
  { url }: FakeDiscord,
  changes: Partial<ProviderInput> = {},
): ProviderInput {
  return {
    id: 'discord',
    preset: 'discord',
    ...registered,
    issuer: url,
    authorizationEndpoint: `${url}/oauth2/authorize`,
    tokenEndpoint: `${url}/api/oauth2/token`,
    userinfoEndpoint: `${url}/api/users/@me`,
    revocationEndpoint: `${url}/api/oauth2/token/revoke`,
    ...changes,
  };
}
