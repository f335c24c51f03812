import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BffError } from '../../errors.ts';
import { canonicalTarget } from '../path.ts';
import type { ProxyRoutes } from '../route-table.ts';

/** A connection that waits for the answer to its opening handshake. */
export interface Handshake {
  readonly socket: Socket;
  /** What came behind the request already. */
  readonly head: Buffer;
}

/**
 * Node asks it whether a request that wants an upgrade gets it, since 24.9. Before that every one
 * does, once somebody listens.
 */
type UpgradingServer = Server & { shouldUpgradeCallback?: (request: IncomingMessage) => boolean };

/**
 * Sends opening handshakes (RFC 6455 §4.1) through the request pipeline, so that all its rules hold
 * for them, and keeps their connections ready for whoever can answer them.
 */
export class Handshakes {
  readonly #waiting = new WeakMap<IncomingMessage, Handshake>();

  constructor(private readonly routes: ProxyRoutes) {}

  /**
   * The connection of a request that is a handshake. Absent: it is none, and its connection is
   * Node's.
   */
  of(request: IncomingMessage): Handshake | undefined {
    return this.#waiting.get(request);
  }

  /**
   * Takes the handshakes of a server: those of our routes and, if nobody else listens for upgrades,
   * all others.
   */
  listenTo(server: UpgradingServer): void {
    const before = server.shouldUpgradeCallback;
    const othersListen = () => server.listenerCount('upgrade') > 1;
    const isOurs = (request: IncomingMessage) =>
      isWebSocket(request) && (!othersListen() || this.#hasRoute(request));
    // Whatever else a client would like to speak, h2c for example, it gets the answer in HTTP (RFC
    // 9110 §7.8).
    server.shouldUpgradeCallback = (request) =>
      isOurs(request) || (othersListen() && (before?.call(server, request) ?? true));
    server.on('upgrade', (request, socket: Socket, head) => {
      if (isOurs(request) || !othersListen()) this.#answer(server, request, { socket, head });
    });
  }

  #hasRoute({ url = '' }: IncomingMessage): boolean {
    try {
      return this.routes.match(canonicalTarget(url).path) !== undefined;
    } catch {
      return false; // a path that is refused belongs to no route
    }
  }

  #answer(server: Server, request: IncomingMessage, handshake: Handshake): void {
    const { socket } = handshake;
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // It is none of Node's any more: its errors, its end and its pace are heard by nobody else. A
    // function of this scope would keep the request for as long as the connection lives.
    socket.on('error', ignored);
    const hangUp = () => void socket.destroy();
    socket.once('end', hangUp);
    const goOn = () => void response.emit('drain');
    socket.on('drain', goOn);
    response.once('finish', () => {
      socket.off('end', hangUp).off('drain', goOn);
      if (response.statusCode !== 101) socket.destroySoon();
    });
    try {
      response.assignSocket(socket);
    } catch {
      // An earlier request of this connection is still being answered; no client of ours sends its
      // handshake before that.
      return hangUp();
    }
    this.#waiting.set(request, handshake);
    server.emit('request', request, response);
  }
}

/** A connection that breaks is closed, and that is heard. */
function ignored(): void {}

/** Whether a request asks for a WebSocket and nothing else. */
function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * What "the server MUST stop processing the client's handshake" for (RFC 6455 §4.2.1), and a body,
 * which two readers would take for two things: the end of the request, or the first bytes of the
 * WebSocket. Throws `invalid_request`.
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
