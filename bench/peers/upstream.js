/**
 * The API behind every proxy: a bare Node.js server that answers from memory. `node upstream.js <port>`
 *
 * `/api/hello` 1 KB of JSON, `/api/bytes/<n>` so many bytes, `POST /api/sink` takes what it gets, `/api/token` tells whether
 * the proxy attached an access token. Every protocol upgrade is accepted.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const hello = Buffer.from(JSON.stringify({ message: 'hello', padding: 'x'.repeat(990) }));
const chunk = Buffer.alloc(64 * 1024, 'x');
const largestWhole = 1024 * 1024;
const wholes = new Map();

const server = createServer((request, response) => {
  const { url } = request;
  if (url === '/api/hello') return json(response, hello);
  if (url.startsWith('/api/bytes/'))
    return bytes(response, Number(url.slice('/api/bytes/'.length)));
  if (url === '/api/sink') return sink(request, response);
  if (url === '/api/token') return json(response, JSON.stringify({ token: hasToken(request) }));
  response.writeHead(404).end();
});

server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.on('error', () => socket.destroy());
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.resume();
});

server.keepAliveTimeout = 600_000;
server.requestTimeout = 0;
server.listen(Number(process.argv[2]), '127.0.0.1', 8192);

function json(response, body) {
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

function bytes(response, length) {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': length,
  });
  if (length <= largestWhole) return response.end(whole(length));
  let left = length;
  const write = () => {
    while (left > 0 && !response.destroyed) {
      const part = left < chunk.length ? chunk.subarray(0, left) : chunk;
      left -= part.length;
      if (!response.write(part)) return response.once('drain', write);
    }
    response.end();
  };
  write();
}

function whole(length) {
  if (!wholes.has(length)) wholes.set(length, Buffer.alloc(length, 'x'));
  return wholes.get(length);
}

function sink(request, response) {
  let received = 0;
  request.on('data', (part) => (received += part.length));
  request.on('end', () => json(response, JSON.stringify({ received })));
}

function hasToken({ headers }) {
  return (
    /^Bearer \S/.test(headers.authorization ?? '') || Boolean(headers['x-forwarded-access-token'])
  );
}
