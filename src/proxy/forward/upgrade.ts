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
import type { OnUnauthorized } from './forward.ts';
import type { Handshake } from './websocket-handshakes.ts';
import { type HeaderList, valueOf, without } from '../headers/request-headers.ts';
import type { DpopSigner } from '../authorize/dpop-signer.ts';
import type { OpenSockets, Slot } from './open-sockets.ts';
import type { Upstream, UpstreamServer } from '../upstream/upstream.ts';

/** A WebSocket handshake for an upstream, with all its options. */
export interface UpstreamHandshake {
  readonly upstream: Upstream;
  /** Path and query. */
  readonly path: string;
  /** All headers except `host`, which depends on the server. */
  readonly headers: HeaderList;
  /** Optional. Signs a new DPoP proof for each attempt. */
  readonly proof?: DpopSigner | undefined;
  /**
   * Called on a `401` response. Resolves to the headers for one more attempt, or to `undefined` to
   * relay the response.
   */
  readonly onUnauthorized?: OnUnauthorized | undefined;
  /** Called before `onUnauthorized`. Returns the error to send instead of the `401`, if any. */
  readonly stepUp?: ((refusal: IncomingMessage['headers']) => BffError | undefined) | undefined;
  /** Maximum time until the upstream responds, in milliseconds. */
  readonly timeout: number;
  /** Maximum time without data on an open WebSocket, in milliseconds. 0 means no limit. */
  readonly idleTimeout: number;
  /** Translates the upstream's response headers to those for the browser. */
  readonly responseHeaders: (headers: IncomingMessage['headers']) => HeaderList;
}

/** The browser's side. */
interface Asking {
  readonly handshake: Handshake;
  readonly response: ServerResponse;
}

/** The upstream's response to a handshake. Without `socket` it refuses the upgrade. */
interface Answer {
  readonly message: IncomingMessage;
  readonly socket?: Socket;
  readonly head?: Buffer;
}

// These connections are never reused, so the agents need no keep-alive.
const agents = { 'http:': new HttpAgent(), 'https:': new HttpsAgent() };

/**
 * Opens a WebSocket at the upstream and joins it with the browser's connection. Relays any response
 * but `101` as an ordinary response. Throws `upstream_unreachable` or `upstream_timeout`. Resolves
 * without an error if the browser disconnects.
 */
export async function openWebSocket(
  { handshake, response }: Asking,
  upstream: UpstreamHandshake,
  sockets: OpenSockets,
  place: Slot,
): Promise<void> {
  let answer: Answer | undefined;
  try {
    answer = await askTwice(upstream, response);
    if (!answer.socket) {
      await relay(answer.message, response, upstream);
      return place.release();
    }
    requireAcceptance(answer, upstream);
    switchProtocols(answer.message, response, upstream);
    response.detachSocket(handshake.socket);
    join(handshake, answer, upstream, sockets, place);
  } catch (error) {
    answer?.message.destroy();
    answer?.socket?.destroy();
    place.release();
    // If the client has disconnected, there is no response to send.
    if (!response.closed) throw error;
  }
}

async function askTwice(upstream: UpstreamHandshake, response: ServerResponse): Promise<Answer> {
  const answer = refuseWeakSignIn(upstream, await ask(upstream, upstream.headers, response));
  if (answer.message.statusCode !== 401) return answer;
  const others = await upstream.onUnauthorized?.(answer.message.headers);
  if (!others) return answer;
  answer.message.destroy();
  return refuseWeakSignIn(upstream, await ask(upstream, others, response));
}

/** Throws the step-up error if the response is a `401` that requires a stronger sign-in. */
function refuseWeakSignIn({ stepUp }: UpstreamHandshake, answer: Answer): Answer {
  const { statusCode, headers } = answer.message;
  const refusal = statusCode === 401 ? stepUp?.(headers) : undefined;
  if (!refusal) return answer;
  answer.message.destroy();
  throw refusal;
}

/** Tries one server after the other until one accepts the connection. */
async function ask(
  asked: UpstreamHandshake,
  headers: HeaderList,
  response: ServerResponse,
): Promise<Answer> {
  const { upstream } = asked;
  const tried: UpstreamServer[] = [];
  let failure: unknown;
  for (let server = upstream.choose(); server; server = upstream.choose(tried)) {
    try {
      const answer = await askServer(server, asked, headers, response);
      server.answered();
      return answer;
    } catch (error) {
      failure = error;
      if (!isUnconnected(error)) break;
      server.refused();
      tried.push(server);
    }
  }
  if (failure instanceof BffError) throw failure;
  throw new BffError('upstream_unreachable', { cause: failure });
}

function askServer(
  { host, address }: UpstreamServer,
  { upstream, path, timeout, proof }: UpstreamHandshake,
  headers: HeaderList,
  response: ServerResponse,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const isTls = address.origin.startsWith('https:');
    const proved = proof?.prove(headers, address.origin, path) ?? headers;
    const request = (isTls ? requestHttps : requestHttp)(new URL(address.origin), {
      path,
      // Node accepts arrays as values, but its types do not say so.
      headers: [
        ...proved,
        'host',
        host,
        'connection',
        'Upgrade',
        'upgrade',
        'websocket',
      ] as string[],
      agent: agents[isTls ? 'https:' : 'http:'],
      ...(address.socketPath && { socketPath: address.socketPath }),
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
    request.once('response', (message) => {
      proof?.updateNonce(message.headers, address.origin);
      settle(() => resolve({ message }));
    });
    request.once('upgrade', (message, socket: Socket, head) => {
      // Node no longer handles errors of this socket. Without a listener they would end the
      // process.
      socket.on('error', ignored);
      proof?.updateNonce(message.headers, address.origin);
      settle(() => resolve({ message, socket, head }));
    });
    request.on('error', (error) => settle(() => reject(error)));
    request.end();
  });
}

/** Whether the connection failed, so that nothing was sent. */
function isUnconnected(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall === 'connect';
}

/** Errors need no handling here: the `close` event follows. */
function ignored(): void {}

/**
 * Throws `upstream_unreachable` if the upstream has not accepted this handshake. Otherwise both
 * sides would interpret the following bytes differently (RFC 6455 §4.1).
 */
function requireAcceptance({ message, socket }: Answer, { headers }: UpstreamHandshake): void {
  const key = String(valueOf('sec-websocket-key', headers));
  const expected = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  const isWebSocket = message.headers.upgrade?.toLowerCase() === 'websocket';
  const accepted = message.headers['sec-websocket-accept'];
  if (socket && isWebSocket && accepted === expected.digest('base64')) return;
  const cause = new Error('the upstream switched to something else than this WebSocket');
  throw new BffError('upstream_unreachable', { cause });
}

function switchProtocols(
  { headers }: IncomingMessage,
  response: ServerResponse,
  { responseHeaders }: UpstreamHandshake,
): void {
  const theirs = without('content-length', responseHeaders(headers));
  response.writeHead(101, [...theirs, 'connection', 'Upgrade', 'upgrade', 'websocket']).end();
}

function join(
  handshake: Handshake,
  { socket, head }: Answer,
  { idleTimeout }: UpstreamHandshake,
  sockets: OpenSockets,
  place: Slot,
): void {
  if (!socket) return;
  if (handshake.head.length > 0) handshake.socket.unshift(handshake.head);
  if (head && head.length > 0) socket.unshift(head);
  sockets.join({ browser: handshake.socket, upstream: socket, idleTimeout }, place);
}

async function relay(
  message: IncomingMessage,
  response: ServerResponse,
  { responseHeaders, idleTimeout, timeout }: UpstreamHandshake,
): Promise<void> {
  // A `101` without upgrade headers is invalid.
  if (message.statusCode === 101) throw new BffError('upstream_unreachable');
  message.setTimeout(idleTimeout || timeout, () => void message.destroy());
  response.writeHead(message.statusCode ?? 502, responseHeaders(message.headers));
  await pipeline(message, response);
}
