import type { IncomingMessage, ServerResponse } from 'node:http';

/** The longest an unread body may go on arriving after the response, in milliseconds. */
const longestArrival = 10_000;

/**
 * Closes the connection of a request whose body nothing reads, unless the body has arrived within `timeout` milliseconds (10
 * seconds) of the response. Without it, a body that trickles would keep the connection for as long as an upload may take.
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
