import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Recorder } from './recorder.ts';

const begunAt = Symbol('begun at');

/** As Express leaves it. */
interface RoutedRequest extends IncomingMessage {
  readonly originalUrl?: string;
  readonly route?: { readonly path?: unknown };
}

type Timed = ServerResponse<RoutedRequest> & { [begunAt]?: number };

/**
 * Counts every request of a server and its time, when the answer is over or broken off. It listens
 * to the server itself: a middleware would cost each request several times as much.
 */
export function countRequests(server: Server, recorder: Recorder): void {
  // One function for all responses, which it gets as `this`: none is made for each of them.
  function note(this: Timed): void {
    const { req: request, headersSent, statusCode } = this;
    const pattern = request.route?.path;
    recorder.request({
      method: request.method ?? '',
      url: request.originalUrl ?? request.url ?? '',
      route: request.takenBy,
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
