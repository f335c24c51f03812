import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

/**
 * How long clients have to come with another request and hear that it was the last, in
 * milliseconds.
 */
const leaveTime = 3000;

/**
 * The connections of a server, for its end. Node waits for each of them, also for those that
 * browsers and load balancers open in advance and never use: it calls a connection idle only after
 * a first request.
 */
export class HttpConnections {
  readonly #open = new Set<Socket>();
  readonly #unused = new Map<string, Socket>();

  /**
   * To be made before the server listens. Opening handshakes of WebSockets are requests like any
   * other here.
   */
  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => this.#add(socket));
    server.on('request', ({ socket }: IncomingMessage) => {
      if (this.#unused.size > 0) this.#unused.delete(nameOf(socket));
    });
  }

  /** Closes all on which no request is under way. */
  closeIdle(): void {
    this.server.closeIdleConnections();
    for (const socket of this.#unused.values()) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /**
   * Takes no new connections and lets clients close those they have: each is told with its next
   * answer that it was the last. To close one that is idle would lose the request that is on its
   * way on it. Resolves when all are closed, or after a while.
   */
  async leave(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.prependListener('request', (_: IncomingMessage, response: ServerResponse) => {
      response.shouldKeepAlive = false;
    });
    setTimeout(resolve, leaveTime);
    // That of HTTP would close idle connections.
    NetServer.prototype.close.call(this.server, () => resolve());
    await promise;
  }

  #add(socket: Socket): void {
    const name = nameOf(socket);
    this.#open.add(socket);
    this.#unused.set(name, socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#unused.delete(name);
    });
  }
}

/**
 * Its far end: under TLS a request comes on another socket than the one that was opened, but from
 * the same place.
 */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
