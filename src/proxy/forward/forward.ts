import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { BffError } from '../../errors.ts';
import { Exchange } from './exchange.ts';
import type { HeaderList } from '../headers/request-headers.ts';
import type { DpopSigner } from '../authorize/dpop-signer.ts';
import { declaredSize, isSmall, letFinish, wholeBody } from './request-body.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** One request to an upstream, decided in every part but which of its servers gets it. */
export interface UpstreamRequest {
  readonly upstream: Upstream;
  /** Path and query. */
  readonly path: string;
  /** All but `host`, which is the server's. */
  readonly headers: HeaderList;
  /** Goes with each sending of the headers. Absent: nothing does. */
  readonly proof?: DpopSigner | undefined;
  /**
   * The whole body, where it has been read to be sent twice if need be. Absent: it streams, or
   * there is none.
   */
  readonly body?: Buffer | undefined;
  /**
   * Asked when the upstream answers `401` to a request whose body is not lost by it: the headers to
   * ask it once more with. Absent, now or then: its answer stands. It must not fail.
   */
  readonly onUnauthorized?: OnUnauthorized | undefined;
  /** On whose behalf that is asked. Absent: on that of the request under way. */
  readonly logContext?: LogContext | undefined;
  /**
   * Asked first, also when there is a body: what is thrown in the place of a `401`. Absent, now or
   * then: nothing.
   */
  readonly stepUp?: ((refusal: IncomingHttpHeaders) => BffError | undefined) | undefined;
  /** Milliseconds to the response headers. */
  readonly timeout: number;
  /** Milliseconds of silence a running response may have. 0: any. */
  readonly idleTimeout: number;
  /** Largest request body, in bytes. */
  readonly maxBody: number;
  /** How often a request that can be repeated is sent again when its connection breaks. */
  readonly retry: number;
  /** What the browser sees of the upstream's headers. */
  readonly responseHeaders: (headers: IncomingHttpHeaders) => HeaderList;
}

/** Does something on behalf of a request: what is logged meanwhile names it. */
export interface LogContext {
  within<Result>(work: () => Result): Result;
}

/** Asked when an upstream answers `401`, with the headers of its answer. */
export type OnUnauthorized = (refusal: IncomingHttpHeaders) => Promise<HeaderList | undefined>;

/**
 * Sends a request on and its answer back, both streamed. A browser that goes away ends the
 * upstream's work, and nothing is thrown: nobody is left to be told. Throws `body_too_large`,
 * `upstream_unreachable` or `upstream_timeout`; if the answer has begun by then, whoever catches
 * must break it off, so that half of it is never taken for the whole.
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
 * The same without a promise. `settle` is called once, with what `forward` throws, if anything,
 * perhaps before this returns.
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
    // A proof may be refused for want of a nonce that nobody could know: an order must not be lost
    // by that.
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
  // It may have gone while something was waited for; `close` will not come again.
  if (response.closed) return settle();
  try {
    new Exchange(request, response, asked, settle).start();
  } catch (mistake) {
    settle(mistake as Error);
  }
}
