import type { IncomingMessage, ServerResponse } from 'node:http';
import { BffError } from '../../errors.ts';
import type { UpstreamRequest } from '../upstream/upstream-request.ts';
import { Exchange } from './exchange.ts';
import { declaredSize, isSmall, discardBody, wholeBody } from './request-body.ts';

/**
 * Forwards a request over HTTP and streams the response. Calls `settle` once, possibly before it
 * returns: without an error if the response is complete, or if the browser disconnected, which
 * aborts the upstream request; otherwise with `body_too_large`, `upstream_unreachable` or
 * `upstream_timeout`. If the response has begun by then, the caller must destroy it, so that the
 * client never takes a partial response for a complete one.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  upstreamRequest: UpstreamRequest,
  settle: (failure?: BffError) => void,
): void {
  const exchange = (body?: Buffer) => {
    // The browser may have disconnected during a wait. There is no second `close` event.
    if (response.closed) settle();
    else new Exchange(request, response, upstreamRequest, settle, body).start();
  };
  const { authorized, options } = upstreamRequest;
  if (declaredSize(request) > options.maxBody && !response.closed) {
    discardBody(request);
    settle(new BffError('body_too_large'));
  } else if (authorized.proof && isSmall(request)) {
    // The upstream may respond with `401` only to provide its first nonce (RFC 9449 §9). The body
    // is buffered, so that the request can be sent again.
    void wholeBody(request).then(exchange);
  } else {
    exchange();
  }
}
