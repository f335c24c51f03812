import type { IncomingMessage } from 'node:http';
import { Transform } from 'node:stream';
import { BffError } from '../../errors.ts';

/** How long an upload may go on after its answer, in milliseconds. */
const uploadAfterAnswer = 5000;

/** RFC 9112 §6.3: without either field a request has no body. */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || declaredSize(request) > 0;
}

/** What `Content-Length` says, in bytes; without it nothing. */
export function declaredSize({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0);
}

/** A body that may as well be held in memory, in bytes. */
const smallBody = 64 * 1024;

/** Whether a request says of its body that it is small. */
export function isSmall(request: IncomingMessage): boolean {
  const size = declaredSize(request);
  return size > 0 && size <= smallBody;
}

/** The whole of a small body. Absent: the client went away before its end. */
export async function wholeBody(request: IncomingMessage): Promise<Buffer | undefined> {
  try {
    return Buffer.concat(await request.toArray());
  } catch {
    return undefined; // nobody is left to be told
  }
}

/** The body up to a number of bytes; beyond that it fails with `body_too_large`. */
export function limitedBody(request: IncomingMessage, maxBody: number): Transform {
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(size > maxBody ? new BffError('body_too_large') : null, chunk);
    },
  });
  // Not a pipeline: a body that is too large must not take the connection with it, which still has
  // to carry the answer.
  return request.pipe(meter);
}

/** A browser reads an early answer only after it has sent everything; it is given some time to. */
export function letFinish(request: IncomingMessage): void {
  request.unpipe().resume();
  if (request.complete) return;
  const deadline = setTimeout(() => request.socket.destroy(), uploadAfterAnswer).unref();
  request.once('end', () => clearTimeout(deadline));
}
