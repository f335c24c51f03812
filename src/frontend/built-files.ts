import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The content codings of precompressed files and their suffixes, best first. */
export const codings = { br: '.br', gzip: '.gz' } as const;

/** The name of a supported content coding (RFC 9110 §8.4.1). */
export type Coding = keyof typeof codings;

/** A file of the built application. */
export interface BuiltFile {
  /** Path relative to the directory, starting with `/`. */
  readonly name: string;
  /** The file to send: `name` itself, or its precompressed variant. */
  readonly source: string;
  /** The content coding of `source`. `undefined` if it is not compressed. */
  readonly coding?: Coding | undefined;
  /**
   * Changes whenever the file is replaced, even by a file with the same size and modification time.
   * Image builds produce such files.
   */
  readonly etag: string;
}

/**
 * The files of a directory. Each lookup reads the file system, because a new build may replace the
 * files at any time.
 */
export class BuiltFiles {
  constructor(private readonly directory: string) {}

  /**
   * Finds the file for a decoded path without dot segments: the file itself, with `.html` appended,
   * or `index.html` in the directory. Returns `undefined` if there is none or it is hidden, such as
   * `.env` or `.git/config`.
   */
  async find(path: string, accepts: (coding: Coding) => boolean): Promise<BuiltFile | undefined> {
    if (/\/\.(?!well-known(\/|$))/.test(path)) return undefined;
    for (const name of namesFor(path)) {
      const etag = await this.#etagOf(name);
      if (etag === undefined) continue;
      for (const [coding, suffix] of Object.entries(codings) as [Coding, string][]) {
        const compressed = accepts(coding) ? await this.#etagOf(name + suffix) : undefined;
        if (compressed) return { name, source: name + suffix, coding, etag: compressed };
      }
      return { name, source: name, etag };
    }
    return undefined;
  }

  async #etagOf(name: string): Promise<string | undefined> {
    try {
      const file = await stat(join(this.directory, name), { bigint: true });
      if (!file.isFile()) return undefined;
      // Builds set the modification time. Only the file system sets the change time.
      return `W/"${file.size.toString(36)}-${file.ctimeNs.toString(36)}"`;
    } catch {
      return undefined; // the file is missing or unreadable
    }
  }
}

function namesFor(path: string): string[] {
  const directory = path.replace(/\/$/, '');
  return directory === path
    ? [path, `${path}.html`, `${path}/index.html`]
    : [`${directory}/index.html`];
}
