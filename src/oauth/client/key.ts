import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';

/** The client's private key, and how it signs (RFC 7523 §3). */
export interface ClientKey {
  readonly privateKey: KeyObject;
  /** The one algorithm it signs with, whatever a provider announces. */
  readonly alg: string;
  /** Absent: the file does not name it. */
  readonly kid?: string;
  /** What opens tokens that were encrypted for us, in the order of the file. */
  readonly decryptionKeys: readonly KeyObject[];
}

/** Kinds of keys that something can be encrypted for (RFC 7518 §4.1). */
const forEncryption = new Set(['rsa', 'prime256v1', 'secp384r1', 'secp521r1', 'x25519']);

/**
 * What a key's kind may sign with (RFC 7518 §3.1, RFC 8037 §3.1); without a word in the file it is
 * the first.
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
 * Reads a private key: a JWK, a JWK Set, of which the first private key for signatures counts, or
 * PEM. `rsa` is the algorithm of an RSA key that names none. Throws a sentence about the file that
 * quotes nothing of it.
 */
export function parseClientKey(text: string, rsa: 'RS256' | 'PS256' = 'RS256'): ClientKey {
  const jwks = text.trimStart().startsWith('{') ? privateJwksIn(text) : undefined;
  const jwk = jwks && forSignatures(jwks);
  const privateKey = jwk ? importJwk(jwk) : importPem(text);
  const { alg: said, kid } = jwk ?? {};
  const possible = algorithmsOf[kindOf(privateKey)];
  if (!possible)
    throw new Error('has a key of a kind that is not known; use RSA, P-256 or Ed25519');
  const alg = said ?? (possible.includes(rsa) ? rsa : possible[0]);
  if (typeof alg !== 'string' || !possible.includes(alg))
    throw new Error(`has an alg that its key cannot sign with; use ${possible.join(' or ')}`);
  const decryptionKeys = (jwks?.filter(isForDecryption).map(importJwk) ?? [privateKey]).filter(
    (key) => forEncryption.has(kindOf(key)),
  );
  return { privateKey, alg, ...(typeof kid === 'string' && { kid }), decryptionKeys };
}

/** The private key in a file, in PEM, as TLS wants it. Throws what is wrong with the file. */
export function readPrivateKeyPem(path: string): string {
  const { privateKey } = parseClientKey(readFileSync(path, 'utf8'));
  return String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

/** Told when the file of a key has changed and cannot be used; the last good key serves on. */
export type BadFileListener = (error: unknown) => void;

/**
 * The key in a file. The file is looked at for every signature, so that a key which takes the place
 * of another is used without a restart; one that cannot be used is told of once, and the last good
 * one serves on.
 */
export class ClientKeyFile {
  #known?: { readonly key: ClientKey; readonly stamp: string };
  #refused?: string;

  constructor(
    private readonly path: string,
    private readonly rsa: 'RS256' | 'PS256',
    private readonly listener: BadFileListener,
  ) {}

  /** The newest key that can be used. Throws while there has not been one. */
  async current(): Promise<ClientKey> {
    const known = this.#known;
    try {
      const { ino, size, mtimeMs } = await stat(this.path);
      const stamp = [ino, size, mtimeMs].join();
      if (known && (stamp === known.stamp || stamp === this.#refused)) return known.key;
      return await this.#read(stamp);
    } catch (error) {
      if (!known) throw error;
      // It is gone for a moment, perhaps, while another takes its place.
      this.#refuse('gone', error);
      return known.key;
    }
  }

  async #read(stamp: string): Promise<ClientKey> {
    try {
      const key = parseClientKey(await readFile(this.path, 'utf8'), this.rsa);
      this.#known = { key, stamp };
      return key;
    } catch (error) {
      if (!this.#known) throw error;
      this.#refuse(stamp, error);
      return this.#known.key;
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

/** A key that does not say what it is for is for anything (RFC 7517 §4.2, §4.3). */
function isFor({ use, key_ops: given }: Jwk, wanted: string, operations: string[]): boolean {
  if (use !== undefined && use !== wanted) return false;
  return !Array.isArray(given) || operations.some((operation) => given.includes(operation));
}

function parseJson(text: string): Jwk {
  try {
    return JSON.parse(text) as Jwk;
  } catch {
    throw new Error('begins like JSON, but is none'); // the parser's own words would quote it
  }
}

function importJwk(jwk: Jwk): KeyObject {
  try {
    return strongEnough(createPrivateKey({ key: jwk, format: 'jwk' }));
  } catch (error) {
    throw isOurs(error) ? error : new Error('has a JWK that is no complete private key');
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

/** "RSA keys of at least 2048 bits" (RFC 7518 §3.3). */
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
