import { ConfigurationError, loadOptions, parseOptions } from '../../src/config/load.ts';
import { keyFile } from '../support/authorization-server/client-keys.ts';

const file = keyFile('what is in it is looked at later');

/** What is wrong with a provider that has these options. */
function mistakes(provider: object, others: object = {}): string[] {
  try {
    parseOptions({
      publicUrl: 'https://app.example.com',
      redis: { url: 'redis://redis' },
      session: { secrets: ['a session secret for tests, long enough'] },
      providers: [
        { id: 'corp', issuer: 'https://login.example.com', clientId: 'spa', ...provider },
      ],
      ...others,
    } as never);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes.map(
      ({ path, message }) => `${path.replace('providers[0].', '')}: ${message}`,
    );
  }
}

describe('client authentication', () => {
  it.each([
    { clientSecret: 's' },
    { clientAuth: 'client_secret_post', clientSecret: 's' },
    { clientAuth: 'client_secret_basic', clientSecret: 's', clientKey: file, clientCert: file },
    { clientAuth: 'private_key_jwt', clientKey: file },
    { clientAuth: 'tls_client_auth', clientKey: file, clientCert: file },
    { clientAuth: 'self_signed_tls_client_auth', clientKey: file, clientCert: file, ca: file },
    { clientAuth: 'none' },
    { clientAuth: 'none', jar: true, clientKey: file },
    { clientAuth: 'none', jarm: true, responseMode: 'form_post' },
    { clientAuth: 'none', clientKey: file, clientCert: file },
  ])('may be %j', (options) => {
    expect(mistakes(options)).toEqual([]);
  });

  it.each<[object, string[]]>([
    [{}, ['clientSecret: is required because clientAuth is client_secret_basic']],
    [
      { clientAuth: 'private_key_jwt', clientSecret: 's' },
      [
        'clientSecret: is set, but clientAuth is private_key_jwt; remove one of the two',
        'clientKey: is required because clientAuth is private_key_jwt',
      ],
    ],
    [
      { clientAuth: 'tls_client_auth' },
      [
        'clientCert: is required because clientAuth is tls_client_auth',
        'clientKey: is required because clientAuth is tls_client_auth',
      ],
    ],
    [
      { clientAuth: 'none', clientSecret: 's' },
      ['clientSecret: is set, but clientAuth is none; remove one of the two'],
    ],
    [{ clientSecret: 's', clientCert: file }, ['clientKey: is required because clientCert is set']],
    [
      { clientSecret: 's', jar: true },
      ['jar: is true, but there is no clientKey to sign with; set it'],
    ],
    [
      { clientAuth: 'private_key_jwt', clientKey: '/nowhere' },
      ['clientKey: there is no file /nowhere'],
    ],
    [
      { clientAuth: 'private_key_jwt', clientKey: '-----BEGIN PRIVATE KEY-----\nMIG' },
      ['clientKey: must be the path of a file, not its content'],
    ],
    [
      { issuer: 'http://localhost:9', clientSecret: 's', ca: file },
      ['ca: is set, but the issuer http://localhost:9 is not https; remove it'],
    ],
    [
      {
        clientAuth: 'tls_client_auth',
        clientKey: file,
        clientCert: file,
        internalUrl: 'http://idp',
      },
      ['clientCert: is set, but internalUrl http://idp is not https; remove it'],
    ],
  ])('may not be %j', (options, sentences) => {
    expect(mistakes(options)).toEqual(sentences);
  });
});

it('form_post needs a cookie that only https carries', () => {
  const local = { publicUrl: 'http://localhost:8080' };
  expect(mistakes({ clientSecret: 's', responseMode: 'form_post' }, local)).toEqual([
    'responseMode: is form_post, but publicUrl is http://localhost:8080: browsers send cookies with such a form over https only; use https or responseMode query',
  ]);
});

describe('a plain OAuth 2 service', () => {
  const service = {
    type: 'oauth2',
    issuer: undefined,
    authorizationEndpoint: 'https://service.example/authorize',
    tokenEndpoint: 'https://service.example/token',
    userinfoEndpoint: 'https://service.example/me',
    user: { sub: 'id' },
  };

  it.each([
    { clientSecret: 's', ca: file, responseMode: 'form_post' },
    { clientAuth: 'private_key_jwt', clientKey: file, issuer: 'https://service.example' },
    { clientAuth: 'tls_client_auth', clientKey: file, clientCert: file },
    { clientAuth: 'none' },
  ])('may have %j', (options) => {
    expect(mistakes({ ...service, ...options })).toEqual([]);
  });

  it.each<[object, string]>([
    [{ profile: 'fapi2' }, 'profile: is fapi2, but type is oauth2: the profile needs discovery'],
    [{ jar: true, clientKey: file }, 'jar: is true, but type is oauth2: nothing says that'],
    [{ jarm: true }, 'jarm: is true, but type is oauth2: there are no published keys'],
    [{ dpop: true }, 'dpop: is true, but type is oauth2: nothing says that'],
    [
      { clientKey: file },
      'clientKey: is set, but clientAuth is client_secret_basic, and there is neither clientCert nor jar: nothing uses it',
    ],
    [
      { clientAuth: 'private_key_jwt', clientSecret: undefined, clientKey: file },
      'issuer: is required because clientAuth is private_key_jwt',
    ],
    [
      { tokenEndpoint: 'http://localhost:9/token', ca: file },
      'ca: is set, but tokenEndpoint http://localhost:9/token is not https; remove it',
    ],
  ])('may not have %j', (options, sentence) => {
    const [first = '', ...others] = mistakes({ ...service, clientSecret: 's', ...options });
    expect([first.slice(0, sentence.length), others]).toEqual([sentence, []]);
  });
});

describe('profile: fapi2', () => {
  const fapi2 = { profile: 'fapi2', clientAuth: 'private_key_jwt', clientKey: file };
  const optionsOf = (provider: object) =>
    parseOptions({
      publicUrl: 'https://app.example.com',
      redis: { url: 'redis://redis' },
      session: { secrets: ['a session secret for tests, long enough'] },
      providers: [
        { id: 'corp', issuer: 'https://login.example.com', clientId: 'spa', ...provider },
      ],
    } as never).providers[0];

  it.each<[object, object]>([
    [{}, { dpop: true, par: 'required', idTokenAlgorithms: ['PS256', 'ES256', 'EdDSA'] }],
    [{ par: 'auto', idTokenAlgorithms: ['ES256'] }, { idTokenAlgorithms: ['ES256'] }],
    [
      { clientAuth: 'tls_client_auth', clientCert: file },
      { dpop: false, par: 'required' },
    ],
    [{ clientAuth: 'tls_client_auth', clientCert: file, dpop: true }, { dpop: true }],
    [{ clientCert: file }, { dpop: false }],
    [
      { jar: true, jarm: true, internalUrl: 'https://idp' },
      { jar: true, jarm: true },
    ],
  ])('switches on what it requires: %j', (options, expected) => {
    expect(optionsOf({ ...fapi2, ...options })).toMatchObject(expected);
  });

  it.each<[object, string]>([
    [
      { clientAuth: 'client_secret_basic', clientSecret: 's', clientKey: undefined },
      'clientAuth private_key_jwt or tls_client_auth or self_signed_tls_client_auth instead of client_secret_basic',
    ],
    [
      { clientAuth: 'none', clientKey: undefined },
      'clientAuth private_key_jwt or tls_client_auth or self_signed_tls_client_auth instead of none',
    ],
    [{ par: 'never' }, 'par required instead of never'],
    [{ issuer: 'http://localhost:9' }, 'an https issuer instead of http://localhost:9'],
    [{ internalUrl: 'http://idp' }, 'an https internalUrl instead of http://idp'],
    [
      { tokenEndpoint: 'https://login.example.com/token' },
      'no tokenEndpoint, because only what the provider publishes counts',
    ],
    [
      { idTokenAlgorithms: ['RS256', 'ES256'] },
      'idTokenAlgorithms of PS256, ES256 and EdDSA, not RS256',
    ],
  ])(
    'refuses what falls short (§5.3.3.1-1, 2, 9, 10, §5.3.3.2-2, §5.4.1): %j',
    (options, point) => {
      expect(mistakes({ ...fapi2, ...options })).toEqual([
        `profile: is fapi2, which asks for ${point}`,
      ]);
    },
  );

  it('names every point in one sentence', () => {
    const options = {
      clientAuth: 'client_secret_post',
      clientSecret: 's',
      clientKey: undefined,
      par: 'never',
    };
    expect(mistakes({ ...fapi2, ...options, jwksUri: 'https://login.example.com/jwks' })).toEqual([
      'profile: is fapi2, which asks for clientAuth private_key_jwt or tls_client_auth or self_signed_tls_client_auth instead of client_secret_post; par required instead of never; no jwksUri, because only what the provider publishes counts',
    ]);
  });

  it('warns of upstreams that its tokens reach in the open', () => {
    const { warnings } = loadOptions({
      env: {
        BFF_PUBLIC_URL: 'https://app.example.com',
        BFF_REDIS_URL: 'redis://redis',
        BFF_SESSION_SECRET: 'a session secret for tests, long enough',
        BFF_OIDC_ISSUER: 'https://login.example.com',
        BFF_OIDC_CLIENT_ID: 'spa',
        BFF_OIDC_CLIENT_AUTH: 'private_key_jwt',
        BFF_OIDC_CLIENT_KEY: file,
        BFF_OIDC_PROFILE: 'fapi2',
        BFF_API_UPSTREAM: 'http://api:3000',
      },
    });
    expect(warnings).toEqual([
      'route /api: upstream is http, but its provider has profile fapi2, whose tokens travel over https only',
    ]);
  });
});
