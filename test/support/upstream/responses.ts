import { setTimeout as delay } from 'node:timers/promises';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RecordedRequest } from './recorder.ts';

/**
 * Handles a request to a test server. An override that returns `'continue'` leaves the request to
 * the real server.
 */
export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  recorded: RecordedRequest,
) => unknown;

type Body = string | Buffer | object | undefined;
type Headers = Readonly<Record<string, string | string[]>>;

/** Responds with this status. An object is sent as JSON; without a body the response is empty. */
export function respondWith(status: number, body?: Body, headers: Headers = {}): Handler {
  const isJson = typeof body === 'object' && !Buffer.isBuffer(body);
  const bytes = isJson ? JSON.stringify(body) : (body ?? '');
  const type = isJson ? 'application/json' : 'text/plain';
  return (_request, response) => {
    response.writeHead(status, { 'content-type': type, ...headers }).end(bytes);
  };
}

/** Redirects to another address. */
export function redirectTo(location: string, status = 302): Handler {
  return respondWith(status, undefined, { location });
}

/** Accepts the request and never responds. */
export function hang(): Handler {
  return () => undefined;
}

/** Closes the connection without a response. */
export function hangUp(): Handler {
  return (request) => request.socket.destroy();
}

/** Waits before it calls another handler: the slowness itself is under test. */
export function slowly(milliseconds: number, handler: Handler): Handler {
  return async (...call) => {
    await delay(milliseconds, undefined, { ref: false });
    return handler(...call);
  };
}

/**
 * Handles the first request with the first handler, and so on; the last handler gets all further
 * requests.
 */
export function inTurn(...handlers: readonly Handler[]): Handler {
  let turn = 0;
  return (...call) => handlers[Math.min(turn++, handlers.length - 1)]?.(...call);
}

/** Leaves the request to the real server, as in `inTurn(respondWith(500), passOn())`. */
export function passOn(): Handler {
  return () => 'continue';
}

/** Sends the request body back as it arrives, back-pressure kept. */
export function echoBody(): Handler {
  return async (request, response) => {
    response.writeHead(200, {
      'content-type': request.headers['content-type'] ?? 'application/octet-stream',
    });
    response.flushHeaders();
    await pipeline(request, response);
  };
}

/** Streams this many zero bytes without holding them in memory. */
export function download(bytes: number, headers: Headers = {}): Handler {
  const chunk = Buffer.alloc(64 * 1024);
  function* chunks(): Generator<Buffer> {
    for (let left = bytes; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
  }
  return async (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream', ...headers });
    await pipeline(Readable.from(chunks(), { objectMode: false }), response);
  };
}

/** A stream of server-sent events that the test drives: `upstream.handler = events.handler`. */
export interface EventFeed {
  readonly handler: Handler;
  /** Writes one event to every listener. */
  send(data: string, event?: string): void;
  end(): void;
  /** The current number of listeners. */
  readonly listeners: number;
}

/** Creates an `EventFeed`. */
export function eventFeed(): EventFeed {
  const responses = new Set<ServerResponse>();
  return {
    handler: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      responses.add(response);
      response.once('close', () => responses.delete(response));
    },
    send: (data, event) => {
      const lines = `${event ? `event: ${event}\n` : ''}data: ${data}\n\n`;
      for (const response of responses) response.write(lines);
    },
    end: () => responses.forEach((response) => response.end()),
    get listeners() {
      return responses.size;
    },
  };
}
