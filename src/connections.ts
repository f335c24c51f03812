import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The connections of a server, for its end. Node waits for each of them, also for those that browsers and load balancers open
 * in advance and never use: it calls a connection idle only after a first request.
 */
export class Connections {
  readonly #open = new Set<Socket>();
  readonly #unused = new Map<string, Socket>();

  /** To be made before the server listens. Opening handshakes of WebSockets are requests like any other here. */
  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => this.#add(socket));
    server.on('request', ({ socket }: IncomingMessage) => {
      this.#unused.delete(nameOf(socket));
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

/** Its far end: under TLS a request comes on another socket than the one that was opened, but from the same place. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
