import type { IncomingHttpHeaders } from 'node:http';
import type { BffError } from '../../errors.ts';
import { isBroken, isOurs } from '../upstream/failure.ts';
import type { HeaderList } from '../headers/request-headers.ts';
import type { AttemptHeaders, UpstreamRequest } from '../upstream/upstream-request.ts';
import type { UpstreamServer } from '../upstream/upstream.ts';

/** What the client's request allows. */
export interface Repeatability {
  /** Whether it can be sent again after a response: its body is empty or buffered. */
  readonly canSendAgain: boolean;
  /** Whether executing it twice has the effect of executing it once (RFC 9110 §9.2.2). */
  readonly isIdempotent: boolean;
}

/**
 * The retry policy of one upstream request, for HTTP and WebSockets alike: which server gets the
 * next attempt, with which headers, and whether there is another attempt at all.
 *
 * - A server that refuses the connection has received nothing, so the next server is tried.
 * - A connection that breaks before the response is tried again up to `routes[].retry` times, if the
 *   request is idempotent.
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
    this.server?.answered();
    this.#current.proof?.updateNonce(headers, this.server?.address.origin ?? '');
  }

  /**
   * Chooses the server for another attempt after a failure before the response. `isUnsent` means
   * that no connection was made. Returns `false` if the failure is final.
   */
  afterFailure(error: Error, isUnsent: boolean): boolean {
    if (isOurs(error)) return false;
    const { upstream } = this.#request;
    if (isUnsent && this.server) {
      this.server.refused();
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

  /** Whether a response with this status may lead to another attempt: see `afterUnauthorized`. */
  canFollow(status: number): boolean {
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
