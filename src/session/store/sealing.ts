import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
const keyIdBytes = 4;

interface SealingKey {
  readonly id: Buffer;
  readonly key: Buffer;
}

/**
 * Authenticated encryption with keys derived from `session.secrets`. The newest key seals, all keys
 * open. Sealed text is bound to a label, such as the name of its Redis key: it cannot be opened
 * with another label.
 */
export class Sealing {
  readonly #newest: SealingKey;
  readonly #keys: readonly SealingKey[];

  /** `secrets` are newest first, as configured. Throws if there are none. */
  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map(deriveKey);
    const [newest] = this.#keys;
    if (!newest) throw new Error('sealing needs at least one secret');
    this.#newest = newest;
  }

  /**
   * Seals a text. The result is the base64url of key id, initialisation vector, ciphertext and tag,
   * and differs each time.
   */
  seal(text: string, label: string): string {
    const { id, key } = this.#newest;
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv(algorithm, key, iv).setAAD(Buffer.from(label));
    const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([id, iv, ciphertext, cipher.getAuthTag()]).toString('base64url');
  }

  /**
   * Opens a sealed text. Returns `undefined` if it was not sealed with this label and a current
   * key.
   */
  open(sealed: string, label: string): string | undefined {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length < keyIdBytes + ivBytes + tagBytes) return undefined;
    const id = bytes.subarray(0, keyIdBytes);
    const key = this.#keys.find((candidate) => candidate.id.equals(id))?.key;
    return key && decrypt(key, bytes.subarray(keyIdBytes), label);
  }
}

function decrypt(key: Buffer, bytes: Buffer, label: string): string | undefined {
  const iv = bytes.subarray(0, ivBytes);
  const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: tagBytes })
    .setAAD(Buffer.from(label))
    .setAuthTag(bytes.subarray(-tagBytes));
  try {
    const text = decipher.update(bytes.subarray(ivBytes, -tagBytes));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch {
    return undefined; // invalid tag: a foreign or damaged value
  }
}

function deriveKey(secret: string): SealingKey {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'pixie-bff sealing v1', keyBytes));
  return { key, id: createHash('sha256').update(key).digest().subarray(0, keyIdBytes) };
}
