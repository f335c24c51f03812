import { createServer, type Socket } from 'node:net';
import { listen } from './upstream.ts';

/** One request as a server reads it that forgives nothing. */
interface StrictRequest {
  readonly target: string;
  readonly body: string;
}

/**
 * A server that parses bytes strictly, keeps connections open, and responds to every complete
 * request with its target.
 */
export interface StrictUpstream {
  readonly url: string;
  /** Complete requests, in order of arrival. */
  readonly requests: StrictRequest[];
  /** What was no request, or no well-formed one. */
  readonly offences: string[];
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a `StrictUpstream` on loopback. */
export async function startStrictUpstream(): Promise<StrictUpstream> {
  const requests: StrictRequest[] = [];
  const offences: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => socket.destroy()));
    let unread = '';
    socket.on('data', (data) => {
      unread += data.toString('latin1');
      for (let read = readRequest(unread); read; read = readRequest(unread)) {
        if (typeof read === 'string') {
          offences.push(`${read}\n${unread}`);
          return void socket.destroy();
        }
        requests.push(read);
        unread = unread.slice(read.length);
        const { target } = read;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n`);
        socket.write(read.method === 'HEAD' ? '' : target);
      }
    });
  });
  const { port } = await listen(server, 0);
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    offences,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * The first request of some bytes, what is wrong with it, or nothing as long as it is not complete.
 */
function readRequest(bytes: string) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return bytes.length > 100_000 ? 'a head without end' : undefined;
  const [first = '', ...lines] = bytes.slice(0, end).split('\r\n');
  const [, method = '', target = ''] = /^([A-Z]+) (\/[\x21-\x7e]*) HTTP\/1\.1$/.exec(first) ?? [];
  if (!method) return 'no request line';
  if (lines.some((line) => !/^[\w!#$%&'*+.^`|~-]+: [\t\x20-\x7e\x80-\xff]*$/.test(line)))
    return 'a line that is no header';
  const values = (name: string) =>
    lines
      .filter((line) => line.toLowerCase().startsWith(`${name}: `))
      .map((line) => line.slice(name.length + 2));
  const [lengths, codings] = [values('content-length'), values('transfer-encoding')];
  if (values('host').length !== 1) return 'not one host';
  if (lengths.length + codings.length > 1) return 'two framings';
  if (codings.some((coding) => coding !== 'chunked')) return 'an unknown coding';
  if (lengths.some((length) => !/^\d+$/.test(length))) return 'a length that is none';
  const rest = bytes.slice(end + 4);
  const body = codings.length > 0 ? readChunks(rest) : readLength(rest, Number(lengths[0] ?? 0));
  if (body === undefined || typeof body === 'string') return body;
  return { method, target, body: body.text, length: end + 4 + body.length };
}

function readLength(rest: string, length: number) {
  return rest.length < length ? undefined : { text: rest.slice(0, length), length };
}

function readChunks(rest: string) {
  let text = '';
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const line = rest.slice(at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(line)) return `the chunk size ${JSON.stringify(line)}`;
    const size = Number.parseInt(line, 16);
    const after = lineEnd + 2 + size;
    if (rest.length < after + 2) return undefined;
    if (rest.slice(after, after + 2) !== '\r\n') return 'a chunk of another size, or trailers';
    text += rest.slice(lineEnd + 2, after);
    at = after + 2;
    if (size === 0) return { text, length: at };
  }
}
