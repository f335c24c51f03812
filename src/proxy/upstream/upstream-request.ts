import type { IncomingHttpHeaders } from 'node:http';
import type { RouteOptions } from '../../config/options.ts';
import type { DpopSigner } from '../authorize/dpop-signer.ts';
import type { StepUpReader } from '../authorize/step-up.ts';
import type { HeaderList } from '../headers/request-headers.ts';
import type { Upstream } from './upstream.ts';

/** The headers of one attempt. */
export interface AttemptHeaders {
  /** All headers except `host`, which depends on the server, and `dpop`. */
  readonly headers: HeaderList;
  /** Signs a DPoP proof for each attempt. `undefined` if the token is bound to no key. */
  readonly proof?: DpopSigner | undefined;
}

/**
 * The headers of a request, with an access token if the route requires one, and the reactions to a
 * `401` response.
 */
export interface AuthorizedRequest extends AttemptHeaders {
  /**
   * Called on a `401` response. Resolves to the headers for one more attempt, or to `undefined` to
   * relay the response. It must not reject. Optional: a `401` is relayed by default.
   */
  readonly onUnauthorized?: OnUnauthorized | undefined;
  /**
   * Called on every `401` response, before `onUnauthorized`. Returns the error to send instead of
   * it, if any.
   */
  readonly stepUp?: StepUpReader | undefined;
}

/**
 * Reacts to a `401` response with these headers. Resolves to the headers for one more attempt, or
 * to `undefined` to relay the response.
 */
export type OnUnauthorized = (refusal: IncomingHttpHeaders) => Promise<AttemptHeaders | undefined>;

/** A request to an upstream, over HTTP or as a WebSocket handshake. No server is chosen yet. */
export interface UpstreamRequest {
  readonly upstream: Upstream;
  /** Path and query. */
  readonly path: string;
  readonly authorized: AuthorizedRequest;
  readonly options: ForwardingOptions;
  /** Translates the upstream's response headers to those for the browser. */
  readonly responseHeaders: (headers: IncomingHttpHeaders) => HeaderList;
}

/** The options of a route that concern its forwarding. */
export type ForwardingOptions = Pick<RouteOptions, 'timeout' | 'idleTimeout' | 'maxBody' | 'retry'>;
