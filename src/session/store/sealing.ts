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
 * open. Sealed text is bound to a label, the name of its Redis key: a value moved to another key
 * does not open.
 */
export class Sealing {
  readonly #newest: SealingKey;
  readonly #ring: readonly SealingKey[];

  /** `secrets` are newest first, as configured. Throws if there are none. */
  constructor(secrets: readonly string[]) {
    this.#ring = secrets.map(deriveKey);
    const [newest] = this.#ring;
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
    const key = this.#ring.find((candidate) => candidate.id.equals(id))?.key;
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
