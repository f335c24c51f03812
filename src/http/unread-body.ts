import type { IncomingMessage, ServerResponse } from 'node:http';

/** Default time for a form, or a body that no code reads, to arrive. In milliseconds. */
export const longestArrival = 10_000;

/**
 * Closes the connection if a request body that no code reads has not fully arrived `timeout`
 * milliseconds (10 seconds by default) after the response. Otherwise a slow body could hold the
 * connection as long as an upload.
 */
export function limitUnreadBody(
  request: IncomingMessage,
  response: ServerResponse,
  timeout = longestArrival,
): void {
  if (request.complete) return;
  response.once('finish', () => {
    if (request.complete) return;
    const timer = setTimeout(() => {
      if (!request.complete) request.socket.destroy();
    }, timeout).unref();
    request.once('end', () => clearTimeout(timer));
  });
}
