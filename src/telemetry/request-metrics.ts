import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Recorder } from './recorder.ts';

const begunAt = Symbol('begun at');

/** The request with the properties that Express adds. */
interface RoutedRequest extends IncomingMessage {
  readonly originalUrl?: string;
  readonly route?: { readonly path?: unknown };
}

type Timed = ServerResponse<RoutedRequest> & { [begunAt]?: number };

/**
 * Counts and times every request of a server when its response ends or is aborted. It listens to
 * the server directly, because a middleware would cost several times as much per request.
 */
export function countRequests(server: Server, recorder: Recorder): void {
  // A single function with the response as `this` avoids a closure per request.
  function note(this: Timed): void {
    const { req: request, headersSent, statusCode } = this;
    const pattern = request.route?.path;
    recorder.request({
      method: request.method ?? '',
      url: request.originalUrl ?? request.url ?? '',
      route: request.matchedRoute,
      endpoint: typeof pattern === 'string' ? pattern : undefined,
      status: headersSent ? statusCode : undefined,
      seconds: (performance.now() - (this[begunAt] ?? 0)) / 1000,
    });
  }
  server.prependListener('request', (_: IncomingMessage, response: Timed) => {
    response[begunAt] = performance.now();
    response.on('close', note);
  });
}
