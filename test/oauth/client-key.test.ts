import { generateKeyPairSync } from 'node:crypto';
import { ConfigurationError, parseOptions } from '../../src/config/load.ts';
import { parseClientKey } from '../../src/oauth/client/key.ts';
import { Provider } from '../../src/oauth/provider/provider.ts';
import { ProviderRegistry } from '../../src/oauth/provider-registry.ts';
import { keyFile, keyPair } from '../support/authorization-server/client-keys.ts';
import { clientCertificate, testTls } from '../support/network/tls.ts';

const ec = keyPair('P-256', { kid: 'ec' });
const rsa = keyPair('rsa');
const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
const locked = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'only for tests',
});
const { x: _, ...halfOfIt } = ec.privateJwk as unknown as Record<string, string>;

describe('a client key', () => {
  it.each([
    ['a JWK', JSON.stringify(ec.privateJwk), 'ES256', 'ec'],
    ['PEM', ec.pem, 'ES256', undefined],
    ['RSA in PEM', rsa.pem, 'RS256', undefined],
    ['Ed25519', keyPair('ed25519').pem, 'EdDSA', undefined],
    ['another algorithm', JSON.stringify({ ...rsa.privateJwk, alg: 'PS512' }), 'PS512', undefined],
    [
      'a JWK Set',
      JSON.stringify({ keys: [ec.publicJwk, rsa.privateJwk, ec.privateJwk] }),
      'RS256',
      undefined,
    ],
  ])('is read from %s', (_name, text, alg, kid) => {
    const key = parseClientKey(text);
    expect([key.alg, key.kid, key.privateKey.type]).toEqual([alg, kid, 'private']);
  });

  it('signs by RSA as the caller prefers, unless the key says otherwise', () => {
    expect(parseClientKey(rsa.pem, 'PS256').alg).toBe('PS256');
    expect(parseClientKey(JSON.stringify({ ...rsa.privateJwk, alg: 'RS512' }), 'PS256').alg).toBe(
      'RS512',
    );
    expect(parseClientKey(ec.pem, 'PS256').alg).toBe('ES256');
  });

  it.each<[string, string, RegExp]>([
    ['no key at all', 'hello', /^has no private key; give a JWK, a JWK Set or PEM$/],
    ['a certificate', testTls().cert, /^has no private key; give/],
    ['broken JSON', '{"kty":', /^begins like JSON, but is none$/],
    ['a public JWK', JSON.stringify(ec.publicJwk), /^has no private key for signatures$/],
    ['an empty set', '{"keys":[]}', /^has no private key for signatures$/],
    ['a symmetric key', '{"kty":"oct","k":"c2VjcmV0"}', /^has no private key for signatures$/],
    [
      'an encryption key',
      JSON.stringify({ ...ec.privateJwk, use: 'enc' }),
      /^has no private key for signatures$/,
    ],
    ['half of a JWK', JSON.stringify(halfOfIt), /^has a JWK that is not a complete/],
    ['a short RSA key', short.export({ type: 'pkcs8', format: 'pem' }) as string, /2048 bits$/],
    ['a short RSA JWK', JSON.stringify(short.export({ format: 'jwk' })), /2048 bits$/],
    ['an encrypted key', locked as string, /protected by a passphrase; store it without$/],
    [
      'another alg',
      JSON.stringify({ ...ec.privateJwk, alg: 'RS256' }),
      /cannot sign with; use ES256$/,
    ],
    ['none', JSON.stringify({ ...ec.privateJwk, alg: 'none' }), /cannot sign with; use ES256$/],
    [
      'broken PEM',
      ec.pem.replace(/\n.{20}/, '\n'),
      /^has a private key in PEM that cannot be read$/,
    ],
    [
      'a curve nobody signs with',
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export({
        type: 'pkcs8',
        format: 'pem',
      }) as string,
      /^has a key of a kind that is not known/,
    ],
  ])('is refused with a sentence that shows nothing of it: %s', (_name, text, sentence) => {
    expect(() => parseClientKey(text)).toThrow(sentence);
    expect(() => parseClientKey(text)).not.toThrow(text.slice(-60, -30) || text);
  });
});

describe('at the start', () => {
  const me = clientCertificate('me');
  const mistakesOf = (...changes: object[]) => {
    const { providers } = parseOptions({
      publicUrl: 'http://localhost:8080',
      session: { secrets: ['a session secret for tests, long enough'] },
      providers: changes.map((change, index) => ({
        id: `p${index}`,
        issuer: `https://${index}.example.com`,
        clientId: 'spa',
        clientAuth: 'private_key_jwt',
        ...change,
      })),
    });
    try {
      return void new ProviderRegistry(
        providers.map((options) => new Provider(options)),
        'http://localhost:8080/bff',
      );
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      return error.mistakes.map(({ path, message }) => `${path}: ${message}`);
    }
  };

  it('good files are nothing to speak of', () => {
    const { caFile } = testTls();
    expect(
      mistakesOf({ clientKey: me.keyFile, clientCert: me.certFile, ca: caFile }),
    ).toBeUndefined();
  });

  it('every file that cannot be used is named, with what is wrong', () => {
    const bad = keyFile('hello');
    expect(
      mistakesOf(
        { clientKey: me.keyFile },
        { clientKey: bad, ca: bad, clientCert: bad },
        { clientKey: keyFile(ec.pem), clientCert: me.certFile },
      ),
    ).toEqual([
      `providers[1].ca: the file ${bad} has no certificate in PEM`,
      `providers[1].clientCert: the file ${bad} has no certificate in PEM`,
      `providers[1].clientKey: the file ${bad} has no private key; give a JWK, a JWK Set or PEM`,
      expect.stringMatching(
        /^providers\[2\]\.clientCert: the file \S+ and clientKey cannot be used together \(.*key values mismatch\); give the key that belongs to the certificate$/,
      ),
    ]);
  });

  it('a key that the profile does not know is named', () => {
    const fapi2 = { profile: 'fapi2' };
    const rs256 = keyFile({ ...rsa.privateJwk, alg: 'RS256' });
    const es384 = keyFile(keyPair('P-384').pem);
    expect(
      mistakesOf(
        { ...fapi2, clientKey: keyFile(rsa.pem) },
        { ...fapi2, clientKey: rs256 },
        { ...fapi2, clientKey: es384 },
      ),
    ).toEqual([
      `providers[1].clientKey: the file ${rs256} signs with RS256, but profile is fapi2; use PS256, ES256 or EdDSA`,
      `providers[2].clientKey: the file ${es384} signs with ES384, but profile is fapi2; use PS256, ES256 or EdDSA`,
    ]);
  });
});
