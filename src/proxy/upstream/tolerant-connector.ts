import type { Socket } from 'node:net';
import { buildConnector } from 'undici';

const noBytes: Buffer = Buffer.alloc(0);

/** Index of the status in `HTTP/1.1 200`, and the first digit of interim responses. */
const statusAt = 9;
const one = 0x31;

/** Limit for interim responses, in bytes. Longer ones go to undici's parser, which refuses them. */
const longestInterim = 16 * 1024;

/**
 * Creates an undici connector for servers that send unsolicited interim (1xx) responses. Undici
 * alone treats an unexpected `100`, or a second interim response, as a broken response.
 */
export function tolerantConnector(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector(options);
  return (where, callback) =>
    connect(where, (...[error, socket]) => {
      if (error) return callback(error, null);
      if (!('alpnProtocol' in socket && socket.alpnProtocol === 'h2')) ignoreInterim(socket);
      callback(null, socket);
    });
}

/**
 * "A client MUST be able to parse one or more 1xx responses received prior to a final response,
 * even if the client does not expect one" (RFC 9110 §15.2). Removes them only between the head of a
 * request and the first bytes of its final response: a body may contain the same text. Undici sends
 * one request at a time on a connection.
 */
function ignoreInterim(socket: Socket): void {
  const write = socket.write.bind(socket) as (...all: unknown[]) => boolean;
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  let awaitsAnswer = false;
  let held: Buffer = noBytes;
  socket.write = (...all: unknown[]): boolean => {
    // Undici writes request heads as strings, and chunk sizes too, but those start with a line
    // break.
    if (typeof all[0] === 'string' && !all[0].startsWith('\r')) awaitsAnswer = true;
    return write(...all);
  };
  socket.read = (size?: number): Buffer | null => {
    const chunk = read(size);
    if (!awaitsAnswer || chunk === null) return chunk;
    const rest = withoutInterim(held.length > 0 ? Buffer.concat([held, chunk]) : chunk);
    const isUndecided = rest.length <= longestInterim && mayBeInterim(rest);
    held = isUndecided ? rest : noBytes;
    awaitsAnswer = isUndecided;
    return isUndecided ? null : rest;
  };
}

function withoutInterim(bytes: Buffer): Buffer {
  let rest = bytes;
  while (mayBeInterim(rest)) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) break;
    rest = rest.subarray(end + 4);
  }
  return rest;
}

/**
 * Whether the bytes received so far may begin an interim response. `101` is excluded, because the
 * bytes after it are not HTTP.
 */
function mayBeInterim(bytes: Buffer): boolean {
  if (bytes.length > statusAt && bytes[statusAt] !== one) return false;
  const status = bytes.toString('latin1', 0, statusAt + 3);
  return 'HTTP/1.1 '.startsWith(status) || /^HTTP\/1\.1 1(?!01)\d{0,2}$/.test(status);
}
