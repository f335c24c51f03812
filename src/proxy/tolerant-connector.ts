import type { Socket } from 'node:net';
import { buildConnector } from 'undici';

const noBytes: Buffer = Buffer.alloc(0);
const interimBegin = Buffer.from('HTTP/1.1 100');

/** Longer than any interim answer that means well; more is for the parser to refuse. */
const longestInterim = 16 * 1024;

/** Connects like undici, to servers that send `100 Continue` unasked, too: undici takes those for a broken answer. */
export function tolerantConnector(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector(options);
  return (where, callback) =>
    connect(where, (...[error, socket]) => {
      if (error) return callback(error, null);
      if (!('alpnProtocol' in socket && socket.alpnProtocol === 'h2')) ignoreContinue(socket);
      callback(null, socket);
    });
}

/**
 * "If the request did not contain an Expect header field containing the 100-continue expectation, the client can simply
 * discard this interim response" (RFC 9110 §15.2.1). It is looked for between the head of a request and the first bytes of
 * its answer, and nowhere else: a body may contain the same words. Undici sends one request at a time on a connection.
 */
function ignoreContinue(socket: Socket): void {
  const write = socket.write.bind(socket) as (...all: unknown[]) => boolean;
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  let awaitsAnswer = false;
  let held: Buffer = noBytes;
  socket.write = (...all: unknown[]): boolean => {
    // Heads are written as text; so are the sizes of chunks, but those follow a line break.
    if (typeof all[0] === 'string' && !all[0].startsWith('\r')) awaitsAnswer = true;
    return write(...all);
  };
  socket.read = (size?: number): Buffer | null => {
    const chunk = read(size);
    if (!awaitsAnswer || chunk === null) return chunk;
    const rest = withoutContinue(held.length > 0 ? Buffer.concat([held, chunk]) : chunk);
    const isUndecided = rest.length <= longestInterim && mayBeContinue(rest);
    held = isUndecided ? rest : noBytes;
    awaitsAnswer = isUndecided;
    return isUndecided ? null : rest;
  };
}

function withoutContinue(bytes: Buffer): Buffer {
  let rest = bytes;
  while (rest.length > interimBegin.length && mayBeContinue(rest)) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) break;
    rest = rest.subarray(end + 4);
  }
  return rest;
}

/** Whether bytes begin like the interim answer, as far as they go. */
function mayBeContinue(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, interimBegin.length);
  return bytes.compare(interimBegin, 0, length, 0, length) === 0;
}
