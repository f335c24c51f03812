import {
  type ClientAuth,
  ClientSecretPost,
  modifyAssertion,
  type ModifyAssertionOptions,
  None,
  PrivateKeyJwt,
  type CryptoKey,
  TlsClientAuth,
} from 'openid-client';
import type { ProviderOptions } from '../../config/options.ts';
import type { ClientKey } from './key.ts';
import { clientSecretBasic } from './client-secret-basic.ts';

/** How the client authenticates at a provider: with exactly one method (RFC 6749 §2.3). */
export function clientAuthentication(
  options: ProviderOptions,
  newestKey: () => Promise<SigningKey>,
): ClientAuth {
  switch (options.clientAuth) {
    case 'client_secret_basic':
      return clientSecretBasic(options.clientSecret ?? '');
    case 'client_secret_post':
      return ClientSecretPost(options.clientSecret);
    case 'private_key_jwt':
      return privateKeyJwt(newestKey);
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return TlsClientAuth();
    case 'none':
      return None();
  }
}

/** A signing key in the form that `openid-client` accepts. */
export interface SigningKey {
  readonly key: { readonly key: CryptoKey; readonly kid?: string };
  readonly options: ModifyAssertionOptions;
}

/** Converts a client key for `openid-client`, which derives the algorithm from the key alone. */
export function signingKey({ privateKey, alg, kid }: ClientKey): SigningKey {
  const key = privateKey.toCryptoKey(subtleAlgorithm(alg), false, ['sign']) as CryptoKey;
  return {
    key: { key, ...(kid !== undefined && { kid }) },
    // The library would write `Ed25519` as the algorithm, which older servers do not know.
    options: { [modifyAssertion]: (header) => void (header['alg'] = alg) },
  };
}

/**
 * Authenticates with `private_key_jwt`. The audience is the issuer alone, so that no other server
 * can use the assertion here (RFC 9700, audience injection).
 */
function privateKeyJwt(newestKey: () => Promise<SigningKey>): ClientAuth {
  return async (...call) => {
    const { key, options } = await newestKey();
    await PrivateKeyJwt(key, options)(...call);
  };
}

function subtleAlgorithm(alg: string) {
  const hash = `SHA-${alg.slice(2)}`;
  switch (alg.slice(0, 2)) {
    case 'RS':
      return { name: 'RSASSA-PKCS1-v1_5', hash };
    case 'PS':
      return { name: 'RSA-PSS', hash };
    case 'ES':
      return { name: 'ECDSA', namedCurve: alg === 'ES512' ? 'P-521' : `P-${alg.slice(2)}` };
    default:
      return { name: 'Ed25519' };
  }
}
