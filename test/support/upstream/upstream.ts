import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import type { Duplex } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { respondWith, type Handler } from './responses.ts';
import { RecordedRequest } from './recorder.ts';

/** A key and certificate in PEM. With `ca`, client certificates of that authority are required. */
export interface ServerTls {
  readonly key: string;
  readonly cert: string;
  /** With `ca` the server demands a client certificate from it. */
  readonly ca?: string;
}

/** A real HTTP server that stands for an API and records every request. */
export interface Upstream {
  readonly url: string;
  readonly port: number;
  /** In order of arrival. Empty it with `requests.length = 0`. */
  readonly requests: RecordedRequest[];
  /** What it does with the next requests. */
  handler: Handler;
  /** What it does with a protocol upgrade. When not given the connection is closed. */
  onUpgrade: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined;
  /** The newest request; throws when there was none. */
  readonly last: RecordedRequest;
  /** How many connections are open. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

/** How `startUpstream` may differ from plain HTTP on a free port. */
export interface UpstreamOptions {
  readonly tls?: ServerTls;
  readonly port?: number;
}

/**
 * Starts an upstream on loopback. Its default handler responds with 200 and a JSON echo `{ method,
 * url, headers, body }`.
 */
export async function startUpstream(
  handler: Handler = echo(),
  { tls, port = 0 }: UpstreamOptions = {},
): Promise<Upstream> {
  const requests: RecordedRequest[] = [];
  const server = createHttpServer((request, response) => {
    const recorded = new RecordedRequest(request);
    requests.push(recorded);
    runHandler(upstream.handler, request, response, recorded);
  }, tls);
  server.on('upgrade', (request, socket, head) => {
    requests.push(new RecordedRequest(request));
    socket.on('error', () => socket.destroy());
    if (upstream.onUpgrade) upstream.onUpgrade(request, socket, head);
    else socket.destroy();
  });
  const address = await listen(server, port);
  const upstream: Upstream = {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    handler,
    onUpgrade: undefined,
    get last() {
      const request = requests.at(-1);
      if (!request) throw new Error('The upstream was not asked anything.');
      return request;
    },
    connections: () => new Promise((resolve) => server.getConnections((_, n) => resolve(n))),
    close: () => closeServer(server),
  };
  return upstream;
}

/**
 * A TCP server that responds to any bytes with exactly these bytes, and closes unless `keepOpen`.
 */
export async function startRawUpstream(
  bytes: string | Buffer,
  { keepOpen = false } = {},
): Promise<{ url: string; port: number; received: string[]; close(): Promise<void> }> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => socket.destroy()));
    socket.on('data', (data) => received.push(data.toString('latin1')));
    socket.once('data', () => (keepOpen ? socket.write(bytes) : socket.end(bytes)));
  });
  const { port } = await listen(server, 0);
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}`, port, received, close };
}

/** Node's HTTP or HTTPS server; with a `ca` it demands a client certificate. */
export function createHttpServer(listener: RequestListener, tls?: ServerTls): Server {
  if (!tls) return createServer(listener);
  return createTlsServer({ ...tls, requestCert: tls.ca !== undefined }, listener);
}

/** Lets a server listen on loopback and says where. */
export function listen(server: NetServer, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server.address() as AddressInfo));
  });
}

/**
 * Closes a server together with every connection, idle or not. Does nothing when it is closed
 * already.
 */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
}

/**
 * Runs a handler. A failing handler closes the connection, so that the test sees a broken response
 * instead of hanging.
 */
export function runHandler(
  handler: Handler,
  ...[request, response, recorded]: Parameters<Handler>
): void {
  Promise.resolve()
    .then(() => handler(request, response, recorded))
    .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
}

/** Responds with 200 and the request as JSON, when the whole body has arrived. */
export function echo(): Handler {
  return async (request, response, recorded) => {
    request.resume();
    await recorded.ended;
    const { method, url, headers, body } = recorded;
    return respondWith(200, { method, url, headers, body: body.toString() })(
      request,
      response,
      recorded,
    );
  };
}
