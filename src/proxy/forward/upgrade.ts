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

/** One opening handshake for an upstream, decided in every part. */
export interface UpstreamHandshake {
  readonly upstream: Upstream;
  /** Path and query. */
  readonly path: string;
  /** All but `host`, which is the server's. */
  readonly headers: HeaderList;
  /** Goes with each sending of the headers. Absent: nothing does. */
  readonly proof?: DpopSigner | undefined;
  /**
   * Asked when the upstream answers `401`: the headers to ask it once more with. Absent, now or
   * then: its answer stands.
   */
  readonly onUnauthorized?: OnUnauthorized | undefined;
  /** Asked first: what is thrown in the place of a `401`. Absent, now or then: nothing. */
  readonly stepUp?: ((refusal: IncomingMessage['headers']) => BffError | undefined) | undefined;
  /** Milliseconds to the upstream's answer. */
  readonly timeout: number;
  /** Milliseconds of silence an open WebSocket may have. 0: any. */
  readonly idleTimeout: number;
  /** What the browser sees of the upstream's headers. */
  readonly responseHeaders: (headers: IncomingMessage['headers']) => HeaderList;
}

/** The browser's side. */
interface Asking {
  readonly handshake: Handshake;
  readonly response: ServerResponse;
}

/**
 * What an upstream says to a handshake. `socket` absent: it does not want to change the protocol.
 */
interface Answer {
  readonly message: IncomingMessage;
  readonly socket?: Socket;
  readonly head?: Buffer;
}

// A WebSocket keeps its connection to itself, so there is none to keep alive.
const agents = { 'http:': new HttpAgent(), 'https:': new HttpsAgent() };

/**
 * Opens a WebSocket at the upstream and joins the browser's connection with it; any answer but
 * `101` is relayed as an ordinary one. Throws `upstream_unreachable` or `upstream_timeout`. A
 * browser that goes away ends all of it, and nothing is thrown.
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
    // Nobody is left to be told.
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

/** Throws what is told in the place of a `401` that asks for a stronger sign-in. */
function refuseWeakSignIn({ stepUp }: UpstreamHandshake, answer: Answer): Answer {
  const { statusCode, headers } = answer.message;
  const refusal = statusCode === 401 ? stepUp?.(headers) : undefined;
  if (!refusal) return answer;
  answer.message.destroy();
  throw refusal;
}

/** One server after the other, as long as they take no connection. */
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
      // Node takes lists as values too, which its types leave out.
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
    // It may have gone while its session was looked up; `close` will not come again.
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
      // From here on it is none of Node's, and an error nobody hears would end the process.
      socket.on('error', ignored);
      proof?.updateNonce(message.headers, address.origin);
      settle(() => resolve({ message, socket, head }));
    });
    request.on('error', (error) => settle(() => reject(error)));
    request.end();
  });
}

/** Whether nothing was sent, because there was no connection to send it on. */
function isUnconnected(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall === 'connect';
}

/** A connection that breaks is closed, and that is heard. */
function ignored(): void {}

/**
 * With only half of an agreement the bytes that follow would mean something else to each side (RFC
 * 6455 §4.1).
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
  // Without the headers that belong to it, `101` is no answer at all.
  if (message.statusCode === 101) throw new BffError('upstream_unreachable');
  message.setTimeout(idleTimeout || timeout, () => void message.destroy());
  response.writeHead(message.statusCode ?? 502, responseHeaders(message.headers));
  await pipeline(message, response);
}
