import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { BffError } from '../../errors.ts';
import { Exchange } from './exchange.ts';
import type { HeaderList } from '../headers/request-headers.ts';
import type { DpopSigner } from '../authorize/dpop-signer.ts';
import { declaredSize, isSmall, letFinish, wholeBody } from './request-body.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** A request to an upstream with all its options. Only the server is not chosen yet. */
export interface UpstreamRequest {
  readonly upstream: Upstream;
  /** Path and query. */
  readonly path: string;
  /** All headers except `host`, which depends on the server. */
  readonly headers: HeaderList;
  /** Optional. Signs a new DPoP proof for each attempt. */
  readonly proof?: DpopSigner | undefined;
  /**
   * The buffered body, if it may have to be sent twice. `undefined` if it is streamed or there is
   * none.
   */
  readonly body?: Buffer | undefined;
  /**
   * Called on a `401` response if the body can be sent again. Resolves to the headers for one more
   * attempt, or to `undefined` to relay the response. It must not reject.
   */
  readonly onUnauthorized?: OnUnauthorized | undefined;
  /** Log context for `onUnauthorized`. The current context by default. */
  readonly logContext?: LogContext | undefined;
  /**
   * Called before `onUnauthorized`, also for requests with a body. Returns the error to send
   * instead of the `401`, if any.
   */
  readonly stepUp?: ((refusal: IncomingHttpHeaders) => BffError | undefined) | undefined;
  /** Maximum time until the response headers, in milliseconds. */
  readonly timeout: number;
  /** Maximum time between two chunks of the response, in milliseconds. 0 means no limit. */
  readonly idleTimeout: number;
  /** Maximum size of the request body, in bytes. */
  readonly maxBody: number;
  /** How often a repeatable request is sent again after its connection broke. */
  readonly retry: number;
  /** Translates the upstream's response headers to those for the browser. */
  readonly responseHeaders: (headers: IncomingHttpHeaders) => HeaderList;
}

/** Runs work in the log context of a request, so that log entries name the request. */
export interface LogContext {
  within<Result>(work: () => Result): Result;
}

/**
 * Called with the headers of a `401` response. Resolves to the headers for one more attempt, or to
 * `undefined` to relay the response.
 */
export type OnUnauthorized = (refusal: IncomingHttpHeaders) => Promise<HeaderList | undefined>;

/**
 * Forwards a request and streams the response. If the browser disconnects, the upstream request is
 * aborted and the promise resolves. Throws `body_too_large`, `upstream_unreachable` or
 * `upstream_timeout`. If the response has begun by then, the caller must destroy it, so that the
 * client never takes a partial response for a complete one.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  asked: UpstreamRequest,
): Promise<void> {
  return new Promise((resolve, reject) =>
    startForwarding(request, response, asked, (failure) => (failure ? reject(failure) : resolve())),
  );
}

/**
 * Forwards a request without a promise. Calls `settle` once, possibly before it returns, with the
 * error that `forward` would throw, or without one.
 */
export function startForwarding(
  request: IncomingMessage,
  response: ServerResponse,
  asked: UpstreamRequest,
  settle: (failure?: Error) => void,
): void {
  if (declaredSize(request) > asked.maxBody && !response.closed) {
    letFinish(request);
    settle(new BffError('body_too_large'));
  } else if (asked.proof && isSmall(request)) {
    // The upstream may refuse a proof to provide its first nonce. The body is buffered, so that the
    // request can be sent again.
    void wholeBody(request).then((body) => exchange(request, response, { ...asked, body }, settle));
  } else {
    exchange(request, response, asked, settle);
  }
}

function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  asked: UpstreamRequest,
  settle: (failure?: Error) => void,
): void {
  // The browser may have disconnected during a wait. There is no second `close` event.
  if (response.closed) return settle();
  try {
    new Exchange(request, response, asked, settle).start();
  } catch (mistake) {
    settle(mistake as Error);
  }
}
