import { Writable } from 'node:stream';

/** What a BFF logged. */
export class LogCapture {
  readonly #chunks: string[] = [];

  /** The stream to log to. */
  readonly stream = new Writable({
    decodeStrings: false,
    write: (chunk, _encoding, written) => {
      this.#chunks.push(String(chunk));
      written();
    },
  });

  get text(): string {
    return this.#chunks.join('');
  }

  /** Each line parsed. */
  get lines(): Record<string, unknown>[] {
    const lines = this.text.split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}
