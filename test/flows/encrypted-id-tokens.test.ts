import { decodeProtectedHeader } from 'jose';
import type { ClientMetadata } from 'oidc-provider';
import { respondWith, inTurn } from '../support/upstream/responses.ts';
import { startBff } from '../support/bff/bff.ts';
import { keyFile, keyPair } from '../support/authorization-server/client-keys.ts';
import { errorCode, whoIs } from './steps.ts';

const algorithms = [
  ['rsa', 'RSA-OAEP'],
  ['rsa', 'RSA-OAEP-256'],
  ['P-256', 'ECDH-ES'],
  ['P-384', 'ECDH-ES+A256KW'],
] as const;

/**
 * A server that encrypts ID tokens for the key it knows; the client's file has a key for
 * signatures, and these.
 */
function startEncrypting(alg: string, known: object, ...own: object[]) {
  const { privateJwk } = keyPair('P-256', { use: 'sig', kid: 'signs' });
  const client = {
    jwks: { keys: [known] },
    id_token_encrypted_response_alg: alg,
    id_token_encrypted_response_enc: 'A256GCM',
  } as Partial<ClientMetadata>;
  return startBff({
    store: 'memory',
    authorizationServer: {
      client,
      configuration: (defaults) => ({
        ...defaults,
        enabledJWA: {
          ...defaults.enabledJWA,
          idTokenEncryptionAlgValues: algorithms.map(([, name]) => name),
          idTokenEncryptionEncValues: ['A256GCM'],
        },
        features: { ...defaults.features, encryption: { enabled: true } },
      }),
    },
    provider: { clientKey: keyFile({ keys: [privateJwk, ...own] }) },
  });
}

describe('an ID token that is encrypted', () => {
  it.each(algorithms)('for the client is opened: %s, %s', async (kind, alg) => {
    const { privateJwk, publicJwk } = keyPair(kind, { use: 'enc', kid: 'opens', alg });
    await using bff = await startEncrypting(alg, publicJwk, privateJwk);
    const browser = await bff.signedIn();
    await expect(whoIs(browser)).resolves.toBe('alice');

    const refusal = { 'www-authenticate': 'Bearer error="invalid_token"' };
    bff.upstream.handler = inTurn(respondWith(401, {}, refusal), respondWith(200));
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(bff.authorizationServer.tokenRequests('refresh_token')).toHaveLength(1);

    const response = await browser.fetch('/bff/logout', { method: 'POST' });
    const { location } = (await response.json()) as { location: string };
    const hint = new URL(location).searchParams.get('id_token_hint') ?? '';
    expect(decodeProtectedHeader(hint)).toMatchObject({ alg: 'RS256' });
  });

  it('for another client does not sign in', async () => {
    const members = { use: 'enc', kid: 'opens', alg: 'RSA-OAEP' };
    const { publicJwk } = keyPair('rsa', members);
    await using bff = await startEncrypting(
      'RSA-OAEP',
      publicJwk,
      keyPair('rsa', members).privateJwk,
    );
    const browser = bff.browser();
    const page = await bff.signIn(browser);
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });
});
