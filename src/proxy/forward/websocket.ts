import { createHash } from 'node:crypto';
import {
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
  type ServerResponse,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { BffError } from '../../errors.ts';
import { valueOf, without } from '../headers/request-headers.ts';
import { asBffError } from '../upstream/failure.ts';
import type { UpstreamRequest } from '../upstream/upstream-request.ts';
import { Attempts } from './attempts.ts';
import type { OpenSockets, Slot } from './open-sockets.ts';
import type { Handshake } from './websocket-handshakes.ts';

/** The browser's connection, and its response until the connection becomes a WebSocket. */
interface Client {
  readonly handshake: Handshake;
  readonly response: ServerResponse;
}

/** The upstream's response to a handshake. Without `socket` it refuses the upgrade. */
interface HandshakeResponse {
  readonly message: IncomingMessage;
  readonly socket?: Socket;
  readonly head?: Buffer;
}

// These connections are never reused, so the agents need no keep-alive.
const agents = { 'http:': new HttpAgent(), 'https:': new HttpsAgent() };

/**
 * Opens a WebSocket at the upstream and joins it with the browser's connection. Any response other
 * than `101` is relayed as an ordinary response. Throws `upstream_unreachable` or
 * `upstream_timeout`. Resolves without an error if the browser disconnects. Releases `slot` when
 * the WebSocket is over.
 */
export async function openWebSocket(
  client: Client,
  request: UpstreamRequest,
  sockets: OpenSockets,
  slot: Slot,
): Promise<void> {
  const { response } = client;
  let accepted: HandshakeResponse | undefined;
  try {
    accepted = await sendHandshake(request, response);
    if (!accepted.socket) {
      await relay(accepted.message, response, request);
      return slot.release();
    }
    requireAcceptance(accepted, request);
    switchProtocols(accepted.message, client, request);
    join(client.handshake, accepted, request, sockets, slot);
  } catch (error) {
    accepted?.message.destroy();
    accepted?.socket?.destroy();
    slot.release();
    // If the client has disconnected, there is no response to send.
    if (!response.closed) throw error;
  }
}

/** Sends the handshake, with the same retry policy as HTTP requests: see `Attempts`. */
async function sendHandshake(
  request: UpstreamRequest,
  response: ServerResponse,
): Promise<HandshakeResponse> {
  const attempts = new Attempts(request, { canSendAgain: true, isIdempotent: false });
  attempts.begin();
  try {
    for (;;) {
      const received = await attempt(attempts, request, response);
      if (!received) continue;
      const { headers, statusCode = 0 } = received.message;
      attempts.noteResponse(headers);
      const stepUp = attempts.stepUpError(statusCode, headers);
      if (!stepUp && !attempts.mayReauthorize(statusCode)) return received;
      if (!stepUp && !(await attempts.afterUnauthorized(headers))) return received;
      received.message.destroy();
      if (stepUp) throw stepUp;
    }
  } finally {
    attempts.end();
  }
}

/** Makes one attempt. Resolves to `undefined` if it failed and another one is due. */
async function attempt(
  attempts: Attempts,
  request: UpstreamRequest,
  response: ServerResponse,
): Promise<HandshakeResponse | undefined> {
  try {
    return await send(attempts, request, response);
  } catch (error) {
    const isUnsent = (error as NodeJS.ErrnoException).syscall === 'connect';
    if (attempts.afterFailure(error as Error, isUnsent)) return undefined;
    throw asBffError(error as Error);
  }
}

function send(
  attempts: Attempts,
  { upstream, path, options: { timeout } }: UpstreamRequest,
  response: ServerResponse,
): Promise<HandshakeResponse> {
  const { server } = attempts;
  if (!server) throw new Error('the route has no upstream');
  return new Promise((resolve, reject) => {
    const { origin, socketPath } = server.address;
    const isTls = origin.startsWith('https:');
    const request = (isTls ? requestHttps : requestHttp)(new URL(origin), {
      path,
      // Node accepts arrays as values, but its types do not say so.
      headers: [
        ...attempts.headersFor(server),
        'connection',
        'Upgrade',
        'upgrade',
        'websocket',
      ] as string[],
      agent: agents[isTls ? 'https:' : 'http:'],
      ...(socketPath && { socketPath }),
      ...upstream.tls,
    });
    const hangUp = () => void request.destroy();
    const deadline = setTimeout(() => request.destroy(new BffError('upstream_timeout')), timeout);
    // The browser may have disconnected during the session lookup. There is no second `close`
    // event.
    if (response.closed) hangUp();
    else response.once('close', hangUp);
    const settle = (settled: () => void) => {
      clearTimeout(deadline);
      response.off('close', hangUp);
      settled();
    };
    request.once('response', (message) => settle(() => resolve({ message })));
    request.once('upgrade', (message, socket: Socket, head) => {
      // Node no longer handles errors of this socket. Without a listener they would end the
      // process.
      socket.on('error', ignored);
      settle(() => resolve({ message, socket, head }));
    });
    request.on('error', (error) => settle(() => reject(error)));
    request.end();
  });
}

/** Errors need no handling here: the `close` event follows. */
function ignored(): void {}

/**
 * Throws `upstream_unreachable` if the upstream has not accepted exactly this handshake (RFC 6455
 * §4.1). Otherwise browser and upstream would interpret the following bytes differently.
 */
function requireAcceptance(
  { message, socket }: HandshakeResponse,
  { authorized }: UpstreamRequest,
): void {
  const key = String(valueOf('sec-websocket-key', authorized.headers));
  const expected = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  const isWebSocket = message.headers.upgrade?.toLowerCase() === 'websocket';
  const accepted = message.headers['sec-websocket-accept'];
  if (socket && isWebSocket && accepted === expected.digest('base64')) return;
  const cause = new Error('the upstream switched to something else than this WebSocket');
  throw new BffError('upstream_unreachable', { cause });
}

function switchProtocols(
  { headers }: IncomingMessage,
  { handshake, response }: Client,
  { responseHeaders }: UpstreamRequest,
): void {
  const forwarded = without('content-length', responseHeaders(headers));
  response.writeHead(101, [...forwarded, 'connection', 'Upgrade', 'upgrade', 'websocket']).end();
  response.detachSocket(handshake.socket);
}

function join(
  handshake: Handshake,
  { socket, head }: HandshakeResponse,
  { options: { idleTimeout = 0 } }: UpstreamRequest,
  sockets: OpenSockets,
  slot: Slot,
): void {
  if (!socket) return;
  if (handshake.head.length > 0) handshake.socket.unshift(handshake.head);
  if (head && head.length > 0) socket.unshift(head);
  sockets.join({ browser: handshake.socket, upstream: socket, idleTimeout }, slot);
}

async function relay(
  message: IncomingMessage,
  response: ServerResponse,
  { responseHeaders, options: { idleTimeout, timeout } }: UpstreamRequest,
): Promise<void> {
  // A `101` without upgrade headers is invalid.
  if (message.statusCode === 101) throw new BffError('upstream_unreachable');
  message.setTimeout(idleTimeout || timeout, () => void message.destroy());
  response.writeHead(message.statusCode ?? 502, responseHeaders(message.headers));
  await pipeline(message, response);
}
