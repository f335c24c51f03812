import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { WebSocket, WebSocketServer, type ClientOptions, type ServerOptions } from 'ws';
import type { TestBrowser } from '../browser/browser.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { waitFor } from '../time/wait-for.ts';

/** The WebSockets an upstream has accepted. */
export interface AcceptedSockets {
  /** In order of arrival. */
  readonly all: Peer[];
  /** Waits for the next one that is accepted. */
  next(): Promise<Peer>;
}

/**
 * Lets an upstream accept every WebSocket. It says back what it hears, unless `echo` is `false`.
 */
export function acceptWebSockets(
  upstream: Upstream,
  { echo = true, ...options }: ServerOptions & { readonly echo?: boolean } = {},
): AcceptedSockets {
  const server = new WebSocketServer({ ...options, noServer: true });
  const all: Peer[] = [];
  upstream.onUpgrade = (request, socket, head) =>
    server.handleUpgrade(request, socket, head, (accepted) => {
      if (echo) accepted.on('message', (data, binary) => accepted.send(data, { binary }));
      all.push(new Peer(accepted));
    });
  let given = 0;
  const next = async () => {
    const peer = await waitFor(() => all[given] ?? false);
    given += 1;
    return peer;
  };
  return { all, next };
}

/** How a WebSocket ended for one of its ends. */
export interface Ending {
  readonly code: number;
  readonly reason: string;
}

/** One end of a WebSocket. */
export class Peer {
  /** What it heard, as text. */
  readonly heard: string[] = [];
  readonly ended: Promise<Ending>;

  constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => this.heard.push(String(data)));
    socket.on('error', () => undefined);
    this.ended = once(socket, 'close').then(([code, reason]) => ({
      code: code as number,
      reason: String(reason),
    }));
    this.ended.catch(() => undefined);
  }

  /** Waits until it has heard as many messages. */
  async hears(count: number): Promise<string[]> {
    await waitFor(() => this.heard.length >= count);
    return this.heard;
  }
}

/** Where and how a page opens a WebSocket. */
export interface Opening extends Omit<ClientOptions, 'origin' | 'headers'> {
  readonly path?: string;
  readonly protocols?: readonly string[];
  /** `null` sends none. The origin of the BFF by default. */
  readonly origin?: string | null;
  readonly headers?: Record<string, string>;
}

/** Where a BFF is, and what it believes to be. */
interface Target {
  readonly url: string;
  readonly port: number;
}

/**
 * Opens a WebSocket as a page of the BFF's origin does; without a browser it sends no session
 * cookie. Throws a `Refusal`.
 */
export async function openWebSocket(
  bff: Target,
  browser: TestBrowser | undefined,
  { path = '/api/socket', protocols = [], origin = bff.url, headers, ...options }: Opening = {},
): Promise<Peer> {
  const cookie = browser?.cookieHeader('/');
  const url = new URL(path, bff.url.replace(/^http/, 'ws'));
  const { hostname } = url;
  if (!options.ca) url.hostname = '127.0.0.1';
  url.port = String(bff.port);
  const socket = new WebSocket(url, [...protocols], {
    perMessageDeflate: false,
    headers: {
      host: `${hostname}:${new URL(bff.url).port}`,
      ...(cookie && { cookie }),
      ...(origin !== null && { origin }),
      ...headers,
    },
    ...options,
  });
  const peer = new Peer(socket);
  const refused = once(socket, 'unexpected-response').then(async ([, response]) => {
    throw await Refusal.of(response as IncomingMessage);
  });
  refused.catch(() => undefined);
  await Promise.race([once(socket, 'open'), refused]);
  return peer;
}

/** A response other than a WebSocket. */
export class Refusal extends Error {
  constructor(
    readonly response: IncomingMessage,
    readonly status: number,
    readonly body: string,
  ) {
    super(`${status} ${body}`);
  }

  static async of(response: IncomingMessage): Promise<Refusal> {
    return new Refusal(response, response.statusCode ?? 0, await text(response));
  }

  /** The code, when the response is a problem document of the BFF; undefined otherwise. */
  get code(): string | undefined {
    if (!isProblem(this.response)) return undefined;
    return (JSON.parse(this.body) as { code?: string }).code;
  }
}

/** The refusal of an opening, as status and code; fails when it is accepted. */
export async function refusalOf(opening: Promise<Peer>): Promise<[number, string | undefined]> {
  try {
    (await opening).socket.terminate();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [error.status, error.code];
  }
  throw new Error('The WebSocket was opened.');
}

function isProblem({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.startsWith('application/problem+json') ?? false;
}
