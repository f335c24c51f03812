import type { KeyObject } from 'node:crypto';
import { compactDecrypt } from 'jose';
import type { ProviderResponse, ResponseReader } from '../provider/fetch.ts';

/**
 * How a provider may have encrypted for us (RFC 7518 §4.1). Not `RSA1_5`: it tells who asks often
 * enough (RFC 8725 §3.2).
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
 * Opens ID tokens that were encrypted for us (OIDC Core §3.1.3.7 item 1), before anybody looks at
 * them: what is inside is signed, and judged like any other. What cannot be opened stays as it is,
 * and is refused as what it is, no signed token.
 */
export function openingIdTokens(keys: () => Promise<readonly KeyObject[]>): ResponseReader {
  return async (_url, answer) => {
    const fields = answer.body.includes('"id_token"') ? readFields(answer) : undefined;
    const encrypted = fields?.['id_token'];
    if (typeof encrypted !== 'string' || !isEncrypted(encrypted)) return answer;
    const idToken = await open(encrypted, await keys());
    return idToken === undefined
      ? answer
      : { ...answer, body: JSON.stringify({ ...fields, id_token: idToken }) };
  };
}

function isEncrypted(token: string): boolean {
  return token.length <= longestToken && token.split('.').length === 5;
}

/** With the first key that fits. Absent: none does. */
async function open(token: string, keys: readonly KeyObject[]): Promise<string | undefined> {
  for (const key of keys) {
    try {
      const { plaintext } = await compactDecrypt(token, key, { keyManagementAlgorithms });
      return new TextDecoder().decode(plaintext);
    } catch {
      continue; // another one may
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
    return undefined; // not JSON; the caller of the provider says so
  }
}
