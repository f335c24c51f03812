import type { IncomingHttpHeaders } from 'node:http';
import type { BffError } from '../../errors.ts';
import { isBroken, isRequestError } from '../upstream/failure.ts';
import type { HeaderList } from '../headers/request-headers.ts';
import type { AttemptHeaders, UpstreamRequest } from '../upstream/upstream-request.ts';
import type { UpstreamServer } from '../upstream/upstream.ts';

/** Whether the client's request may be sent to the upstream again. */
export interface Repeatability {
  /** Whether it can be sent again after a `401`: its body is empty or buffered. */
  readonly canSendAgain: boolean;
  /**
   * Whether executing it twice has the same effect as executing it once (RFC 9110 §9.2.2), so that
   * it can be sent again after a broken connection.
   */
  readonly isIdempotent: boolean;
}

/**
 * The retry policy of one upstream request, for HTTP and WebSockets alike: which server gets the
 * next attempt, with which headers, and whether there is another attempt at all.
 *
 * - A server that refuses the connection has received nothing, so the next server is tried.
 * - After a connection that breaks before the response, an idempotent request is sent again, up to
 *   `routes[].retry` times.
 * - A `401` leads to one more attempt if there are other headers for it.
 */
export class Attempts {
  /** The server of the current attempt. `undefined` before `begin`. */
  server: UpstreamServer | undefined;
  readonly #request: UpstreamRequest;
  #current: AttemptHeaders;
  #retriesLeft: number;
  #canReauthorize: boolean;
  /** Servers that refused the connection. `undefined` if none has. */
  #refusing: UpstreamServer[] | undefined;

  constructor(request: UpstreamRequest, { canSendAgain, isIdempotent }: Repeatability) {
    this.#request = request;
    this.#current = request.authorized;
    this.#retriesLeft = isIdempotent ? request.options.retry : 0;
    this.#canReauthorize = canSendAgain && request.authorized.onUnauthorized !== undefined;
  }

  /** Chooses the server of the first attempt. */
  begin(): void {
    this.#use(this.#request.upstream.choose());
  }

  /** Releases the server. */
  end(): void {
    this.#use(undefined);
  }

  /** The headers of the current attempt at `server`, with a new DPoP proof where one is needed. */
  headersFor({ host, address }: UpstreamServer): HeaderList {
    const { headers, proof } = this.#current;
    const complete = proof ? proof.prove(headers, address.origin, this.#request.path) : headers;
    return ['host', host, ...complete];
  }

  /** Records that the server has responded, and the nonce for the next DPoP proof. */
  noteResponse(headers: IncomingHttpHeaders): void {
    this.server?.recordResponse();
    this.#current.proof?.updateNonce(headers, this.server?.address.origin ?? '');
  }

  /**
   * Chooses the server for another attempt after a failure before the response. `isUnsent` means
   * that no connection was made. Returns `false` if the failure is final.
   */
  afterFailure(error: Error, isUnsent: boolean): boolean {
    if (isRequestError(error)) return false;
    const { upstream } = this.#request;
    if (isUnsent && this.server) {
      this.server.recordRefusal();
      this.#refusing = [...(this.#refusing ?? []), this.server];
      return this.#use(upstream.choose(this.#refusing));
    }
    if (this.#retriesLeft === 0 || isUnsent || !isBroken(error)) return false;
    this.#retriesLeft -= 1;
    return this.#use(upstream.choose());
  }

  /** The error to send instead of a response, if it is a `401` with a step-up challenge. */
  stepUpError(status: number, headers: IncomingHttpHeaders): BffError | undefined {
    return status === 401 ? this.#request.authorized.stepUp?.(headers) : undefined;
  }

  /** Whether `afterUnauthorized` must decide if a response with this status is relayed. */
  mayReauthorize(status: number): boolean {
    return status === 401 && this.#canReauthorize;
  }

  /**
   * Gets other headers after a `401`, at most once. Resolves to `true` if another attempt at the
   * same server is due, to `false` if the response is to be relayed.
   */
  async afterUnauthorized(refusal: IncomingHttpHeaders): Promise<boolean> {
    this.#canReauthorize = false;
    const others = await this.#request.authorized.onUnauthorized?.(refusal);
    this.#current = others ?? this.#current;
    return others !== undefined;
  }

  #use(server: UpstreamServer | undefined): boolean {
    if (this.server) this.server.busy -= 1;
    if (server) server.busy += 1;
    this.server = server;
    return server !== undefined;
  }
}
