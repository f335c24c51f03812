import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { buildConnector, type DiagnosticsChannel } from 'undici';

const noBytes: Buffer = Buffer.alloc(0);

/** Index of the status in `HTTP/1.1 200`. */
const statusAt = 9;

/** The first digit of the status of an interim response, as a character code. */
const interimDigit = 0x31;

/**
 * The maximum size of an interim response, in bytes. A longer one is left to undici's parser, which
 * refuses it.
 */
const maxInterimSize = 16 * 1024;

/** Called for a connection when a request is about to be written to it. */
const requestListeners = new WeakMap<Socket, () => void>();

// Undici publishes this "immediately before the first byte of the request is written".
subscribe('undici:client:sendHeaders', (message) => {
  const { socket } = message as DiagnosticsChannel.ClientSendHeadersMessage;
  requestListeners.get(socket)?.();
});

/**
 * Creates an undici connector for servers that send a `100 Continue` unsolicited,
 * which undici refuses (nodejs/undici#197). Other interim responses are removed as well: undici
 * ignores those, but not their `Connection` header.
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
 * even if the client does not expect one" (RFC 9110 §15.2). Removes them only between a request and
 * the first bytes of its final response: a body may contain the same text. Undici sends one request
 * at a time on a connection, and its own listener for `readable` runs after this one.
 */
function ignoreInterim(socket: Socket): void {
  let awaitsResponse = false;
  let held: Buffer = noBytes;
  requestListeners.set(socket, () => {
    awaitsResponse = true;
  });
  const filter = (): void => {
    const chunk = awaitsResponse ? (socket.read() as Buffer | null) : null;
    if (chunk === null) return;
    const rest = withoutInterim(held.length > 0 ? Buffer.concat([held, chunk]) : chunk);
    const isUndecided = rest.length <= maxInterimSize && mayBeInterim(rest);
    held = isUndecided ? rest : noBytes;
    if (isUndecided) return;
    awaitsResponse = false;
    // After a `101` the connection is a tunnel, which a listener for `readable` would keep from
    // flowing.
    if (rest[statusAt] === interimDigit) socket.off('readable', filter);
    socket.unshift(rest);
  };
  socket.on('readable', filter);
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
  if (bytes.length > statusAt && bytes[statusAt] !== interimDigit) return false;
  const status = bytes.toString('latin1', 0, statusAt + 3);
  return 'HTTP/1.1 '.startsWith(status) || /^HTTP\/1\.1 1(?!01)\d{0,2}$/.test(status);
}
