import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JWK } from 'oidc-provider';
import { runDirectory } from '../setup/run-directory.ts';

/** A key pair of a kind, with these members in both of its JWKs. */
export function keyPair(kind: 'rsa' | 'P-256' | 'P-384' | 'ed25519', members: object = {}) {
  const { privateKey, publicKey } = generate(kind);
  const jwk = (key: KeyObject) => ({ ...key.export({ format: 'jwk' }), ...members }) as JWK;
  return {
    privateJwk: jwk(privateKey),
    publicJwk: jwk(publicKey),
    pem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}

function generate(kind: 'rsa' | 'P-256' | 'P-384' | 'ed25519') {
  if (kind === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  if (kind === 'ed25519') return generateKeyPairSync('ed25519');
  return generateKeyPairSync('ec', { namedCurve: kind });
}

/** A new file with this content; an object is written as JSON. */
export function keyFile(content: string | object): string {
  const file = join(mkdtempSync(join(runDirectory(), 'key-')), 'client.key');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}
