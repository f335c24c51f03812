import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { type Dispatcher, errors } from 'undici';
import { BffError } from '../../errors.ts';
import { asBffError } from '../upstream/failure.ts';
import type { UpstreamRequest } from '../upstream/upstream-request.ts';
import { Attempts } from './attempts.ts';
import { hasBody, discardBody, limitedBody } from './request-body.ts';
import { ResponseWriter } from './response.ts';

/** Idempotent methods (RFC 9110 §9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** How much of a discarded response is read to keep its connection, in bytes. */
const maxDiscarded = 64 * 1024;

/** What happened to the connection of a `401` response while another token was requested. */
interface PausedResponse {
  hasEnded?: true;
  failure?: Error;
}

/**
 * Forwards one request and its response over HTTP. It implements undici's handler interface, so
 * there is no stream between undici's parser and the response. `settle` is called once, with a
 * `BffError` on failure. A browser that disconnects is not a failure.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #upstreamRequest: UpstreamRequest;
  readonly #settle: (failure?: BffError) => void;
  readonly #body: Readable | Buffer | null;
  readonly #writer: ResponseWriter;
  readonly #attempts: Attempts;
  /** Controller of the newest attempt. `undefined` until it has a connection. */
  #controller: Dispatcher.DispatchController | undefined;
  /** The discarded response to an earlier attempt, until it has ended. */
  #discarded: { readonly controller: Dispatcher.DispatchController; size: number } | undefined;
  /** Set while another token is requested. */
  #paused: PausedResponse | undefined;
  #isOver = false;

  /** `body` is the buffered body. By default the body of the request is streamed. */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    upstreamRequest: UpstreamRequest,
    settle: (failure?: BffError) => void,
    body?: Buffer,
  ) {
    this.#request = request;
    this.#response = response;
    this.#upstreamRequest = upstreamRequest;
    this.#settle = settle;
    this.#writer = new ResponseWriter(response);
    const { maxBody } = upstreamRequest.options;
    this.#body = body ?? (hasBody(request) ? limitedBody(request, maxBody) : null);
    this.#attempts = new Attempts(upstreamRequest, {
      canSendAgain: !(this.#body instanceof Readable),
      isIdempotent: this.#body === null && idempotent.has(request.method ?? ''),
    });
  }

  start(): void {
    this.#response.on('close', () => this.#end());
    this.#attempts.begin();
    this.#send();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new errors.RequestAbortedError());
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) return;
    this.#attempts.noteResponse(headers);
    const stepUp = this.#attempts.stepUpError(status, headers);
    if (stepUp) return this.#end(stepUp);
    if (!this.#attempts.mayReauthorize(status)) return this.#begin(controller, status, headers);
    controller.pause();
    void this.#reauthorize(controller, status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (controller === this.#discarded?.controller) this.#discard(chunk);
    else this.#writer.take(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (controller === this.#discarded?.controller) this.#discarded = undefined;
    else if (this.#writer.hasBegun) this.#end();
    else if (this.#paused) this.#paused.hasEnded = true;
  }

  onResponseError(controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (controller && controller === this.#discarded?.controller) return;
    if (this.#isOver) return;
    if (this.#paused) {
      this.#paused.failure = error;
      return;
    }
    const isUnsent = this.#controller === undefined;
    if (!this.#writer.hasBegun && this.#attempts.afterFailure(error, isUnsent)) this.#send();
    else this.#end(error);
  }

  #send(): void {
    const { server } = this.#attempts;
    if (!server) return this.#end(new Error('the route has no upstream'));
    this.#controller = undefined;
    const { path, options } = this.#upstreamRequest;
    try {
      server.dispatcher.dispatch(
        {
          path,
          method: this.#request.method as Dispatcher.HttpMethod,
          // undici accepts arrays as values, but its types do not say so.
          headers: this.#attempts.headersFor(server) as string[],
          body: this.#body,
          headersTimeout: options.timeout,
          bodyTimeout: options.idleTimeout ?? 0,
        },
        this,
      );
    } catch (cause) {
      this.#end(new BffError('internal_error', { cause }));
    }
  }

  /** Sends the request again with another token if there is one. Otherwise relays the `401`. */
  async #reauthorize(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): Promise<void> {
    const paused: PausedResponse = {};
    this.#paused = paused;
    const isDue = await this.#attempts.afterUnauthorized(headers);
    this.#paused = undefined;
    if (this.#isOver) return;
    const { hasEnded, failure } = paused;
    if (isDue) {
      if (!hasEnded && !failure) this.#discarded = { controller, size: 0 };
      this.#writer.forget();
      this.#send();
    } else if (failure) {
      this.#end(failure);
    } else {
      this.#begin(controller, status, headers);
      if (hasEnded) this.#end();
    }
    controller.resume();
  }

  #discard(chunk: Buffer): void {
    if (!this.#discarded) return;
    this.#discarded.size += chunk.length;
    if (this.#discarded.size > maxDiscarded)
      this.#discarded.controller.abort(new errors.RequestAbortedError());
  }

  #begin(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    this.#writer.begin(controller, status, this.#upstreamRequest.responseHeaders(headers));
  }

  /**
   * Ends the exchange: after a complete response, a failure, or when the browser has disconnected.
   */
  #end(failure?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#attempts.end();
    if (this.#writer.hasBegun && !failure && !this.#response.destroyed) this.#writer.complete();
    else {
      this.#writer.abandon();
      this.#controller?.abort(new errors.RequestAbortedError());
    }
    this.#discarded?.controller.abort(new errors.RequestAbortedError());
    if (this.#body) discardBody(this.#request);
    this.#settle(failure && asBffError(failure));
  }
}
