import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import type { Coding } from './built-files.ts';

/** The name in the built script that stands for the `csrf` option. */
const placeholder = 'PIXIE_BFF_CSRF';

/** The browser client as it is served. */
export interface ClientScript {
  /** 16 hexadecimal digits of the SHA-256 of the script. */
  readonly hash: string;
  readonly plain: Buffer;
  readonly compressed: Readonly<Record<Coding, Buffer>>;
}

/** The header that the script adds to its calls. */
export interface CsrfHeader {
  readonly header: string;
  readonly value: string;
}

/**
 * Reads the built browser client from `file` and writes the CSRF header into it. Rejects with the
 * error of the file system if the file is missing, as in a checkout that has not been built.
 */
export async function readClientScript(
  file: URL,
  { header, value }: CsrfHeader,
): Promise<ClientScript> {
  const built = await readFile(file, 'utf8');
  const script = built.replace(placeholder, () => JSON.stringify({ header, value }));
  const plain = Buffer.from(script);
  const [br, gzipped] = await Promise.all([
    promisify(brotliCompress)(plain),
    promisify(gzip)(plain),
  ]);
  const hash = createHash('sha256').update(plain).digest('hex').slice(0, 16);
  return { hash, plain, compressed: { br, gzip: gzipped } };
}
