import type { IncomingMessage } from 'node:http';
import { Transform } from 'node:stream';
import { BffError } from '../../errors.ts';

/** How long an upload may continue after its response, in milliseconds. */
const maxUploadTime = 5000;

/**
 * Whether a request has a body: without `Content-Length` or `Transfer-Encoding` it has none (RFC
 * 9112 §6.3).
 */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || declaredSize(request) > 0;
}

/** Returns the value of `Content-Length` in bytes, 0 if there is none. */
export function declaredSize({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0);
}

/** The maximum size of a small body, in bytes. */
const maxSmallBody = 64 * 1024;

/** Whether `Content-Length` declares a body of at most 64 KB. */
export function isSmall(request: IncomingMessage): boolean {
  const size = declaredSize(request);
  return size > 0 && size <= maxSmallBody;
}

/** Reads the whole body. Resolves to `undefined` if the client disconnects before its end. */
export async function wholeBody(request: IncomingMessage): Promise<Buffer | undefined> {
  try {
    return Buffer.concat(await request.toArray());
  } catch {
    return undefined; // the client has disconnected
  }
}

/** Streams the request body. The stream fails with `body_too_large` after `maxBody` bytes. */
export function limitedBody(request: IncomingMessage, maxBody: number): Transform {
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(size > maxBody ? new BffError('body_too_large') : null, chunk);
    },
  });
  // For a body that is too large, `pipeline` would destroy the connection before the response is
  // sent.
  return request.pipe(meter);
}

/**
 * Discards the rest of a request body, for 5 seconds at most, then closes the connection. A browser
 * reads an early response only after it has sent the whole body.
 */
export function discardBody(request: IncomingMessage): void {
  request.unpipe().resume();
  if (request.complete) return;
  const deadline = setTimeout(() => request.socket.destroy(), maxUploadTime).unref();
  request.once('end', () => clearTimeout(deadline));
}
