import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BffError } from '../../errors.ts';
import { canonicalTarget } from '../path.ts';
import type { ProxyRoutes } from '../route-table.ts';

/** A connection that waits for the response to its opening handshake. */
export interface Handshake {
  readonly socket: Socket;
  /** Bytes received after the request. */
  readonly head: Buffer;
}

/**
 * Since Node 24.9, `shouldUpgradeCallback` decides which requests are upgraded. Older versions
 * upgrade all of them if there is an `upgrade` listener.
 */
type UpgradingServer = Server & { shouldUpgradeCallback?: (request: IncomingMessage) => boolean };

/**
 * Sends opening handshakes (RFC 6455 §4.1) through the request pipeline, so that its rules apply to
 * them too, and keeps their connections for the upgrade.
 */
export class WebSocketHandshakes {
  readonly #waiting = new WeakMap<IncomingMessage, Handshake>();

  constructor(private readonly routes: ProxyRoutes) {}

  /** Returns the connection of a handshake. `undefined` for an ordinary request. */
  of(request: IncomingMessage): Handshake | undefined {
    return this.#waiting.get(request);
  }

  /**
   * Handles the handshakes of a server: those of our routes, and all others if the application has
   * no `upgrade` listener of its own.
   */
  listenTo(server: UpgradingServer): void {
    const before = server.shouldUpgradeCallback;
    const othersListen = () => server.listenerCount('upgrade') > 1;
    const isOurs = (request: IncomingMessage) =>
      isWebSocket(request) && (!othersListen() || this.#hasRoute(request));
    // A client that offers another protocol, such as h2c, gets an HTTP response (RFC 9110 §7.8).
    server.shouldUpgradeCallback = (request) =>
      isOurs(request) || (othersListen() && (before?.call(server, request) ?? true));
    server.on('upgrade', (request, socket: Socket, head) => {
      if (isOurs(request) || !othersListen()) this.#serve(server, request, { socket, head });
    });
  }

  #hasRoute({ url = '' }: IncomingMessage): boolean {
    try {
      return this.routes.match(canonicalTarget(url).path) !== undefined;
    } catch {
      return false; // a path that is refused belongs to no route
    }
  }

  #serve(server: Server, request: IncomingMessage, handshake: Handshake): void {
    const { socket } = handshake;
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // Node no longer handles errors, end and backpressure of this socket. `ignored` is a top-level
    // function: a closure would keep the request in memory as long as the connection.
    socket.on('error', ignored);
    const hangUp = () => void socket.destroy();
    socket.once('end', hangUp);
    const onDrain = () => void response.emit('drain');
    socket.on('drain', onDrain);
    response.once('finish', () => {
      socket.off('end', hangUp).off('drain', onDrain);
      if (response.statusCode !== 101) socket.destroySoon();
    });
    try {
      response.assignSocket(socket);
    } catch {
      // An earlier request on this connection has no complete response yet. Real clients do not
      // pipeline a handshake.
      return hangUp();
    }
    this.#waiting.set(request, handshake);
    server.emit('request', request, response);
  }
}

/** Errors need no handling here: the `close` event follows. */
function ignored(): void {}

/** Whether a request asks for a WebSocket and nothing else. */
function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * Throws `invalid_request` for a handshake that RFC 6455 §4.2.1 forbids, or one with a body:
 * servers could take the body for the first bytes of the WebSocket.
 */
export function refuseBadHandshake(request: IncomingMessage): void {
  const { method, httpVersion, headers } = request;
  if (!isWebSocket(request)) refuse('it is for another protocol');
  if (method !== 'GET' || httpVersion !== '1.1') refuse(`${method} in HTTP/${httpVersion}`);
  if ('transfer-encoding' in headers || 'content-length' in headers) refuse('it has a body');
  if (headers['sec-websocket-version'] !== '13') refuse('not version 13');
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '')) refuse('no proper key');
}

function refuse(reason: string): never {
  const headers = { 'Sec-WebSocket-Version': '13' };
  throw new BffError('invalid_request', { cause: new Error(reason), headers });
}
