import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long a form or an unread body may take to arrive by default, in milliseconds. */
export const bodyArrivalTimeout = 10_000;

/**
 * Closes the connection if an unread request body has not arrived completely within `timeout`
 * milliseconds (10 seconds by default) of the response. Otherwise a client could send a body slowly
 * and keep the connection open for as long as an upload may take.
 */
export function limitUnreadBody(
  request: IncomingMessage,
  response: ServerResponse,
  timeout = bodyArrivalTimeout,
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
