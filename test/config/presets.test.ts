import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { ConfigurationError, loadOptions, parseOptions } from '../../src/config/load.ts';
import type { ProviderOptions } from '../../src/config/options.ts';
import { presetNames, presetOf } from '../../src/config/presets/presets.ts';

const registration = { id: 'there', clientId: 'a client', clientSecret: 's' };
const service = {
  ...registration,
  type: 'oauth2',
  authorizationEndpoint: 'https://service.example/authorize',
  tokenEndpoint: 'https://service.example/token',
  userinfoEndpoint: 'https://service.example/me',
  user: { sub: 'id' },
};

const configurationWith = (provider: object) => ({
  publicUrl: 'http://localhost:8080',
  session: { secrets: ['kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U'] },
  providers: [provider],
});

function optionsOf(provider: object): ProviderOptions | undefined {
  return parseOptions(configurationWith(provider)).providers[0];
}

function mistakesWith(provider: object): string[] {
  try {
    optionsOf(provider);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes.map(({ path, message }) => `${path}: ${message}`);
  }
}

/** An issuer that a preset without one could have. */
const issuers: Readonly<Record<string, string>> = {
  auth0: 'https://tenant.eu.auth0.com/',
  entra: 'https://login.microsoftonline.com/7f3a/v2.0',
  keycloak: 'https://sso.example.com/realms/main',
  okta: 'https://example.okta.com/oauth2/default',
};

describe('a preset', () => {
  it.each(presetNames)('is complete with a registration: %s', (preset) => {
    const issuer = issuers[preset];
    const options = optionsOf({ ...registration, preset, ...(issuer && { issuer }) });
    const { name, type } = presetOf({ preset })?.options ?? {};
    expect(options).toMatchObject({ id: 'there', preset, name, type });
    expect(options?.issuer).toMatch(/^https:/);
  });

  it.each(Object.keys(issuers))('says what an issuer of your own looks like: %s', (preset) => {
    expect(mistakesWith({ ...registration, preset })).toEqual([
      `providers[0].issuer: is required with preset ${preset}, like ${presetOf({ preset })?.issuerExample}`,
    ]);
  });

  it('that does not exist is refused, and nothing else', () => {
    for (const preset of ['gihtub', 'constructor', 4711])
      expect(mistakesWith({ ...registration, preset })).toEqual([
        `providers[0].preset: must be one of ${presetNames.join(', ')}`,
      ]);
  });

  it('is overridden by every option that is written', () => {
    const changes = {
      name: 'Our GitHub',
      scopes: ['repo'],
      clientAuth: 'client_secret_basic',
      authorizationEndpoint: 'https://github.example.com/login/oauth/authorize',
      tokenEndpoint: 'https://github.example.com/login/oauth/access_token',
      userinfoEndpoint: 'https://github.example.com/api/v3/user',
      user: { sub: ['node_id'], nickname: ['login'] },
    };
    const options = optionsOf({ ...registration, preset: 'github', ...changes });
    expect(options).toMatchObject({ ...changes, type: 'oauth2' });
    expect(options?.user).toMatchObject({ email: ['email'] });
  });

  it('fills in the client identifier where the service has it in an address', () => {
    expect(optionsOf({ ...registration, preset: 'github' })?.revocationEndpoint).toBe(
      'https://api.github.com/applications/a%20client/token',
    );
  });

  it('is not half of another server: who redeems codes elsewhere says where users and tokens are', () => {
    const tokenEndpoint = 'https://github.example.com/login/oauth/access_token';
    const elsewhere = { ...registration, preset: 'github', tokenEndpoint };
    expect(mistakesWith(elsewhere)).toEqual([
      `providers[0].userinfoEndpoint: is required because tokenEndpoint is ${tokenEndpoint}: its tokens are not for the servers that the preset github knows`,
    ]);
    const userinfoEndpoint = 'https://github.example.com/api/v3/user';
    const options = optionsOf({ ...elsewhere, userinfoEndpoint });
    expect(options).not.toHaveProperty('revocationEndpoint');
    expect(options?.issuer).toBe(userinfoEndpoint);
  });

  it('keeps what it knows when only the version of an address changes', () => {
    const tokenEndpoint = 'https://discord.com/api/v10/oauth2/token';
    expect(optionsOf({ ...registration, preset: 'discord', tokenEndpoint })).toMatchObject({
      tokenEndpoint,
      issuer: 'https://discord.com',
      userinfoEndpoint: 'https://discord.com/api/users/@me',
    });
  });

  it('knows better than another type', () => {
    expect(mistakesWith({ ...registration, preset: 'google', type: 'oauth2' })).toContainEqual(
      'providers[0].type: is oauth2, but the preset google is oidc; remove it',
    );
  });

  it('adds the slash at the end of an issuer of Auth0', () => {
    const issuer = 'https://tenant.eu.auth0.com';
    expect(optionsOf({ ...registration, preset: 'auth0', issuer })?.issuer).toBe(`${issuer}/`);
  });

  it.each(['common', 'organizations', 'consumers'])(
    'for one tenant does not admit users of others: %s',
    (tenant) => {
      const issuer = `https://login.microsoftonline.com/${tenant}/v2.0`;
      expect(mistakesWith({ ...registration, preset: 'entra', issuer })).toEqual([
        expect.stringContaining('providers[0].issuer: is shared by many tenants'),
      ]);
    },
  );

  it('can be the provider of the environment', () => {
    const env = {
      BFF_PUBLIC_URL: 'http://localhost:8080',
      BFF_SESSION_SECRET: 'kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U',
      BFF_OIDC_PRESET: 'github',
      BFF_OIDC_CLIENT_ID: 'app',
      BFF_OIDC_CLIENT_SECRET: 's',
    };
    const { options } = loadOptions({ env, cwd: '/' });
    expect(options.providers).toMatchObject([{ id: 'default', name: 'GitHub', type: 'oauth2' }]);
  });
});

describe('a plain OAuth 2 service', () => {
  it('is complete with three addresses and the field of the subject', () => {
    expect(optionsOf(service)).toMatchObject({
      scopes: [],
      user: { sub: ['id'] },
      issuer: service.userinfoEndpoint,
    });
  });

  it.each([
    [{ tokenEndpoint: undefined }, 'tokenEndpoint: is required because type is oauth2'],
    [{ authorizationEndpoint: undefined }, 'authorizationEndpoint: is required because type is'],
    [{ userinfoEndpoint: undefined }, 'userinfoEndpoint: is required because type is oauth2'],
    [{ user: undefined }, 'user.sub: is required because type is oauth2'],
    [{ user: { name: 'name' } }, 'user.sub: is required because type is oauth2'],
    [{ user: { sub: 7 } }, 'user.sub: must be the name of a field'],
    [{ user: { sub: [] } }, 'user.sub: needs the name of a field'],
    [{ user: { sub: 'a b' } }, 'user.sub: must be the name of a field'],
    [{ user: { sub: '{id' } }, 'user.sub: must be the name of a field'],
    [{ user: { sub: 'x{}' } }, 'user.sub: must be the name of a field'],
    [{ jwksUri: 'https://service.example/keys' }, 'jwksUri: has no meaning because type is oauth2'],
    [{ internalUrl: 'http://service' }, 'internalUrl: has no meaning because type is oauth2'],
    [{ par: 'required' }, 'par: is required, but type is oauth2'],
    [{ frontchannelLogout: true }, 'frontchannelLogout: has no meaning because type is oauth2'],
  ])('is refused with %j', (changes, sentence) => {
    expect(mistakesWith({ ...service, ...changes })).toEqual([
      expect.stringContaining(`providers[0].${sentence}`),
    ]);
  });

  it('is the only one whose fields can be named', () => {
    const issuer = 'https://login.example.com';
    expect(mistakesWith({ ...registration, issuer, user: { sub: 'id' } })).toEqual([
      'providers[0].user: works with type oauth2 only; OpenID Connect names the claims itself',
    ]);
  });
});

describe('the examples in docs/providers.md', () => {
  const page = readFileSync('docs/providers.md', 'utf8');
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);

  it('are there, one for each preset at least', () => {
    const shown = examples.flatMap((text) =>
      [...text.matchAll(/preset: (\w+)/g)].map(([, name]) => name),
    );
    expect(new Set(shown)).toEqual(new Set(presetNames));
  });

  it.each(examples)('can be used as they are:\n%s', (text) => {
    const content: unknown = parse(text.replaceAll(/<[^>]+>/g, 'x'));
    const providers = Array.isArray(content) ? { providers: content as unknown[] } : content;
    expect(() =>
      parseOptions({ ...configurationWith({}), ...(providers as object) }),
    ).not.toThrow();
  });
});
