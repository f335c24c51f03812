import { Writable } from 'node:stream';

/** What a BFF logged. */
export class LogCapture {
  readonly #chunks: string[] = [];

  /** Reports lines as dropped. */
  drop: (lines: number) => void = () => {};

  /** The stream to log to. */
  readonly stream = Object.assign(
    new Writable({
      decodeStrings: false,
      write: (chunk, _encoding, written) => {
        this.#chunks.push(String(chunk));
        written();
      },
    }),
    { onDrop: (listener: (lines: number) => void) => void (this.drop = listener) },
  );

  get text(): string {
    return this.#chunks.join('');
  }

  /** Each line parsed. */
  get lines(): Record<string, unknown>[] {
    const lines = this.text.split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}
