import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** How `rawRequest` connects and how long it listens. */
export interface RawOptions {
  /** Speaks TLS and trusts this authority (PEM). */
  readonly tls?: { readonly ca: string };
  readonly host?: string;
  /** Milliseconds after which it hangs up; 3 seconds when not given. */
  readonly deadline?: number;
  /** Hangs up when this many responses have begun, instead of waiting for the server to close. */
  readonly responses?: number;
}

/** Everything received on the connection. */
export interface RawResponse {
  readonly bytes: Buffer;
  /** The bytes as text, one character (latin1) a byte. */
  readonly text: string;
  /** The status codes of the responses, in order. */
  readonly statuses: readonly number[];
  /** True when the server closed the connection; false when we hung up. */
  readonly closed: boolean;
}

/**
 * Sends bytes as they are and collects the responses. Send `Connection: close`, or it waits for the
 * deadline.
 */
export function rawRequest(
  port: number,
  bytes: string | Buffer,
  { tls, host = '127.0.0.1', deadline = 3_000, responses = Infinity }: RawOptions = {},
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket: Socket = tls
      ? connectTls({ port, host, ca: tls.ca, servername: 'localhost' })
      : connectTcp({ port, host });
    const finish = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(rawResponse(Buffer.concat(chunks), closed));
    };
    const timer = setTimeout(finish, deadline, false);
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    });
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (rawResponse(Buffer.concat(chunks), false).statuses.length >= responses) finish(false);
    });
    socket.once('close', () => finish(true));
    socket.once('error', (error) => {
      // A reset after or instead of a response is the server closing the connection.
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') return;
      clearTimeout(timer);
      reject(error);
    });
  });
}

function rawResponse(bytes: Buffer, closed: boolean): RawResponse {
  const text = bytes.toString('latin1');
  const statuses = [...text.matchAll(/HTTP\/1\.[01] (\d{3})[ \r]/g)].map(([, code]) =>
    Number(code),
  );
  return { bytes, text, statuses, closed };
}
