import { randomBytes } from 'node:crypto';

/** Status codes of the close frames that the BFF sends (RFC 6455 §7.4). */
export type CloseCode = 1001 | 4401 | 4403;

const closeOpcode = 0x8;

/**
 * Finds the frame boundaries in a WebSocket stream by reading only the frame headers (RFC 6455
 * §5.2).
 */
export class FrameBoundary {
  /** Payload bytes left in the current frame. */
  #payload = 0;
  /** Header bytes read so far. */
  #seen = 0;
  /** The size of the header. */
  #size = 2;
  /** The position in the header after the extended payload length. */
  #extendedUntil = 2;
  /** The payload length, as far as it has been read. */
  #length = 0;
  #hasClosed = false;

  /** Whether the stream is between two frames. */
  get isReached(): boolean {
    return this.#seen === 0 && this.#payload === 0;
  }

  /**
   * Whether a close frame has begun: after it "the application MUST NOT send any more data frames"
   * (RFC 6455 §5.5.1).
   */
  get hasClosed(): boolean {
    return this.#hasClosed;
  }

  /**
   * Reads bytes of the stream, with `toBoundary` only up to the end of the current frame. Returns
   * the number of bytes read.
   */
  advance(bytes: Uint8Array, toBoundary = false): number {
    let at = 0;
    while (at < bytes.length) {
      if (toBoundary && this.isReached) break;
      if (this.#payload > 0) {
        const skipped = Math.min(this.#payload, bytes.length - at);
        this.#payload -= skipped;
        at += skipped;
      } else {
        this.#readHeader(bytes[at] ?? 0);
        at += 1;
      }
    }
    return at;
  }

  #readHeader(byte: number): void {
    if (this.#seen === 0) {
      this.#hasClosed ||= (byte & 0x0f) === closeOpcode;
    } else if (this.#seen === 1) {
      this.#measure(byte);
    } else if (this.#seen < this.#extendedUntil) {
      this.#length = this.#length * 256 + byte;
    }
    this.#seen += 1;
    if (this.#seen < this.#size) return;
    this.#payload = this.#length;
    this.#seen = 0;
    this.#size = 2;
  }

  /** Reads the second byte: whether a masking key follows, and the length or its position. */
  #measure(byte: number): void {
    const length = byte & 0x7f;
    const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
    this.#length = extended > 0 ? 0 : length;
    this.#extendedUntil = 2 + extended;
    this.#size = this.#extendedUntil + (byte & 0x80 ? 4 : 0);
  }
}

/** Creates a close frame without a reason. Frames from a client are masked (RFC 6455 §5.1). */
export function closeFrame(code: CloseCode, isFromClient: boolean): Buffer {
  const payload = Buffer.from([code >> 8, code & 0xff]);
  if (!isFromClient) return Buffer.from([0x80 | closeOpcode, payload.length, ...payload]);
  const key = randomBytes(4);
  const masked = payload.map((byte, index) => byte ^ (key[index % 4] ?? 0));
  return Buffer.from([0x80 | closeOpcode, 0x80 | payload.length, ...key, ...masked]);
}
