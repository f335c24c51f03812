import type { KeyObject } from 'node:crypto';
import { compactDecrypt } from 'jose';
import type { ProviderResponse, ResponseReader } from '../provider/fetch.ts';

/**
 * The accepted key management algorithms (RFC 7518 §4.1). `RSA1_5` is excluded: it allows padding
 * oracle attacks (RFC 8725 §3.2).
 */
const keyManagementAlgorithms = [
  'RSA-OAEP',
  'RSA-OAEP-256',
  'ECDH-ES',
  'ECDH-ES+A128KW',
  'ECDH-ES+A192KW',
  'ECDH-ES+A256KW',
];

const longestToken = 64 * 1024;

/**
 * Creates a reader that decrypts the ID token in a response (OIDC Core §3.1.3.7 item 1), so that
 * the signed token inside is verified like any other. A token that cannot be decrypted stays as it
 * is and is refused later, because it is not a signed token.
 */
export function idTokenDecrypter(keys: () => Promise<readonly KeyObject[]>): ResponseReader {
  return async (_url, response) => {
    const fields = response.body.includes('"id_token"') ? readFields(response) : undefined;
    const encrypted = fields?.['id_token'];
    if (typeof encrypted !== 'string' || !isEncrypted(encrypted)) return response;
    const idToken = await decrypt(encrypted, await keys());
    return idToken === undefined
      ? response
      : { ...response, body: JSON.stringify({ ...fields, id_token: idToken }) };
  };
}

function isEncrypted(token: string): boolean {
  return token.length <= longestToken && token.split('.').length === 5;
}

/** Tries every key. Returns `undefined` if none can decrypt the token. */
async function decrypt(token: string, keys: readonly KeyObject[]): Promise<string | undefined> {
  for (const key of keys) {
    try {
      const { plaintext } = await compactDecrypt(token, key, { keyManagementAlgorithms });
      return new TextDecoder().decode(plaintext);
    } catch {
      continue; // the next key may decrypt it
    }
  }
  return undefined;
}

function readFields({ body }: ProviderResponse): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null
      ? (json as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // not JSON: the caller reports it
  }
}
