import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';

/** The client's private key and its signature algorithm (RFC 7523 §3). */
export interface ClientKey {
  readonly privateKey: KeyObject;
  /** The only algorithm the client signs with, regardless of what the provider announces. */
  readonly alg: string;
  /** `undefined` if the file does not contain a `kid`. */
  readonly kid?: string;
  /** Keys that decrypt tokens encrypted for this client, in file order. */
  readonly decryptionKeys: readonly KeyObject[];
}

/** Key types that support encryption (RFC 7518 §4.1). */
const forEncryption = new Set(['rsa', 'prime256v1', 'secp384r1', 'secp521r1', 'x25519']);

/**
 * The signature algorithms of each key type (RFC 7518 §3.1, RFC 8037 §3.1). The first is the
 * default if the file names none.
 */
const algorithmsOf: Readonly<Record<string, readonly string[]>> = {
  rsa: ['RS256', 'PS256', 'RS384', 'RS512', 'PS384', 'PS512'],
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
  ed25519: ['EdDSA', 'Ed25519'],
};

type Jwk = Readonly<Record<string, unknown>>;

/**
 * Parses a private key from a JWK, a JWK Set (its first private signing key) or PEM. `rsa` is the
 * default algorithm of an RSA key. Throws an error that describes the problem and never quotes the
 * file.
 */
export function parseClientKey(text: string, rsa: 'RS256' | 'PS256' = 'RS256'): ClientKey {
  const jwks = text.trimStart().startsWith('{') ? privateJwksIn(text) : undefined;
  const jwk = jwks && forSignatures(jwks);
  const privateKey = jwk ? importJwk(jwk) : importPem(text);
  const { alg: stated, kid } = jwk ?? {};
  const possible = algorithmsOf[kindOf(privateKey)];
  if (!possible)
    throw new Error('has a key of a kind that is not known; use RSA, P-256 or Ed25519');
  const alg = stated ?? (possible.includes(rsa) ? rsa : possible[0]);
  if (typeof alg !== 'string' || !possible.includes(alg))
    throw new Error(`has an alg that its key cannot sign with; use ${possible.join(' or ')}`);
  const decryptionKeys = (jwks?.filter(isForDecryption).map(importJwk) ?? [privateKey]).filter(
    (key) => forEncryption.has(kindOf(key)),
  );
  return { privateKey, alg, ...(typeof kid === 'string' && { kid }), decryptionKeys };
}

/** Reads a private key file and returns it as PEM, for TLS. Throws if the file is not usable. */
export function readPrivateKeyPem(path: string): string {
  const { privateKey } = parseClientKey(readFileSync(path, 'utf8'));
  return String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

/** Called when a changed key file is not usable. The last good key stays in use. */
export type BadFileListener = (error: unknown) => void;

/**
 * A client key that is read from a file. The file is checked before every signature, so a new key
 * is used without a restart. If a new file is not usable, the listener is called once and the last
 * good key stays in use.
 */
export class ClientKeyFile {
  #loaded?: { readonly key: ClientKey; readonly stamp: string };
  #refused?: string;

  constructor(
    private readonly path: string,
    private readonly rsa: 'RS256' | 'PS256',
    private readonly listener: BadFileListener,
  ) {}

  /** The newest usable key. Throws if no usable key has been read yet. */
  async current(): Promise<ClientKey> {
    const loaded = this.#loaded;
    try {
      const { ino, size, mtimeMs } = await stat(this.path);
      const stamp = [ino, size, mtimeMs].join();
      if (loaded && (stamp === loaded.stamp || stamp === this.#refused)) return loaded.key;
      return await this.#read(stamp);
    } catch (error) {
      if (!loaded) throw error;
      // The file may be missing for a moment while it is replaced.
      this.#refuse('gone', error);
      return loaded.key;
    }
  }

  async #read(stamp: string): Promise<ClientKey> {
    try {
      const key = parseClientKey(await readFile(this.path, 'utf8'), this.rsa);
      this.#loaded = { key, stamp };
      return key;
    } catch (error) {
      if (!this.#loaded) throw error;
      this.#refuse(stamp, error);
      return this.#loaded.key;
    }
  }

  #refuse(stamp: string, error: unknown): void {
    if (this.#refused !== stamp) this.listener(error);
    this.#refused = stamp;
  }
}

function privateJwksIn(text: string): readonly Jwk[] {
  const { keys, ...jwk } = parseJson(text);
  const all = (Array.isArray(keys) ? keys : [jwk]) as Jwk[];
  return all.filter(({ d, kty }) => typeof d === 'string' && kty !== 'oct');
}

function forSignatures(jwks: readonly Jwk[]): Jwk {
  const found = jwks.find((jwk) => isFor(jwk, 'sig', ['sign']));
  if (!found) throw new Error('has no private key for signatures');
  return found;
}

function isForDecryption(jwk: Jwk): boolean {
  return isFor(jwk, 'enc', ['decrypt', 'unwrapKey', 'deriveKey', 'deriveBits']);
}

/** A key that names no purpose may be used for any (RFC 7517 §4.2, §4.3). */
function isFor({ use, key_ops: allowed }: Jwk, expectedUse: string, operations: string[]): boolean {
  if (use !== undefined && use !== expectedUse) return false;
  return !Array.isArray(allowed) || operations.some((operation) => allowed.includes(operation));
}

function parseJson(text: string): Jwk {
  try {
    return JSON.parse(text) as Jwk;
  } catch {
    throw new Error('begins like JSON, but is none'); // the parser's message would quote the file
  }
}

function importJwk(jwk: Jwk): KeyObject {
  try {
    return strongEnough(createPrivateKey({ key: jwk, format: 'jwk' }));
  } catch (error) {
    throw isOurs(error) ? error : new Error('has a JWK that is not a complete private key');
  }
}

function importPem(text: string): KeyObject {
  if (/-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text))
    throw new Error('has a key that is protected by a passphrase; store it without');
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw new Error('has no private key; give a JWK, a JWK Set or PEM');
  try {
    return strongEnough(createPrivateKey(text));
  } catch (error) {
    throw isOurs(error) ? error : new Error('has a private key in PEM that cannot be read');
  }
}

class TooShort extends Error {}

/** Requires "RSA keys of at least 2048 bits" (RFC 7518 §3.3). */
function strongEnough(key: KeyObject): KeyObject {
  const { modulusLength = Infinity } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < 2048) throw new TooShort('has an RSA key of less than 2048 bits');
  return key;
}

function isOurs(error: unknown): error is TooShort {
  return error instanceof TooShort;
}

function kindOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  return asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType ?? '';
}
