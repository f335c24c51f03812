import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The content codings that may lie precompressed beside a file, best first. */
export const codings = { br: '.br', gzip: '.gz' } as const;

/** The name of one of them (RFC 9110 §8.4.1). */
export type Coding = keyof typeof codings;

/** A file of the built application. */
export interface BuiltFile {
  /** Relative to the directory, beginning with `/`. */
  readonly name: string;
  /** The file with the bytes to send: `name` itself, or its compressed neighbour. */
  readonly source: string;
  /** How `source` is compressed. Absent: it is not. */
  readonly coding?: Coding | undefined;
  /**
   * Changes whenever the file is replaced, even by one of the same size and time of modification,
   * as image builds make them.
   */
  readonly etag: string;
}

/**
 * The files of a directory, looked up each time: a new build may take the place of the old one
 * while we run.
 */
export class BuiltFiles {
  constructor(private readonly directory: string) {}

  /**
   * The file for a decoded path without dot segments: of that name, with `.html`, or the
   * `index.html` below it. Absent: there is none, or it is hidden, as `.env` and `.git/config` are.
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
      // The time of modification is what builds set; the time of change is the file system's own.
      return `W/"${file.size.toString(36)}-${file.ctimeNs.toString(36)}"`;
    } catch {
      return undefined; // whatever the reason, there is nothing we could send
    }
  }
}

function namesFor(path: string): string[] {
  const directory = path.replace(/\/$/, '');
  return directory === path
    ? [path, `${path}.html`, `${path}/index.html`]
    : [`${directory}/index.html`];
}
