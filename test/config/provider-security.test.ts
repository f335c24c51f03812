import { ConfigurationError, parseOptions } from '../../src/config/load.ts';
import { keyFile } from '../support/client-keys.ts';

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
      { clientSecret: 's', clientKey: file },
      [
        expect.stringMatching(
          /^clientKey: is set, but clientAuth is client_secret_basic, .*nothing uses it/,
        ) as string,
      ],
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
