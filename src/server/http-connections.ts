import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

/**
 * The maximum time of `closeGracefully`, in milliseconds. Until then, a client learns from its next
 * response that the connection closes.
 */
const closeTimeout = 3000;

/**
 * Tracks the connections of a server for its shutdown. Node waits for every connection, including
 * those that browsers and load balancers open in advance and never use: it treats a connection as
 * idle only after its first request.
 */
export class HttpConnections {
  readonly #open = new Set<Socket>();
  /** Connections without a request so far, by their remote end. */
  readonly #withoutRequest = new Map<string, Socket>();

  /** Create it before the server listens. WebSocket opening handshakes count as requests. */
  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => this.#add(socket));
    server.on('request', ({ socket }: IncomingMessage) => {
      if (this.#withoutRequest.size > 0) this.#withoutRequest.delete(remoteEndOf(socket));
    });
  }

  /** Closes all connections without a pending request. */
  closeIdle(): void {
    this.server.closeIdleConnections();
    for (const socket of this.#withoutRequest.values()) socket.destroy();
  }

  /** Closes all connections, even those with a pending request. */
  closeAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /**
   * Accepts no new connections and lets clients close theirs: the next response on each has
   * `Connection: close`. Closing an idle connection could lose a request that the client has just
   * sent. Resolves when all connections are closed, or after three seconds.
   */
  async closeGracefully(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.prependListener('request', (_: IncomingMessage, response: ServerResponse) => {
      response.shouldKeepAlive = false;
    });
    setTimeout(resolve, closeTimeout);
    // The `close` of the HTTP server would also close idle connections.
    NetServer.prototype.close.call(this.server, () => resolve());
    await promise;
  }

  #add(socket: Socket): void {
    const remoteEnd = remoteEndOf(socket);
    this.#open.add(socket);
    this.#withoutRequest.set(remoteEnd, socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#withoutRequest.delete(remoteEnd);
    });
  }
}

/**
 * Returns the remote address and port of a connection, which identify it. Under TLS the request has
 * another socket object than the connection, but the same remote end.
 */
function remoteEndOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
