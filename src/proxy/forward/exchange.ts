import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { type Dispatcher, errors } from 'undici';
import { ResponseWriter } from './response.ts';
import type { UpstreamRequest } from './forward.ts';
import type { HeaderList } from '../headers/request-headers.ts';
import { hasBody, letFinish, limitedBody } from './request-body.ts';
import { asBffError, isBroken, isOurs } from '../upstream/failure.ts';
import type { UpstreamServer } from '../upstream/upstream.ts';

/** Idempotent methods (RFC 9110 §9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** How much of a discarded response is read to keep its connection, in bytes. */
const worthReading = 64 * 1024;

/** What happened to the connection while a refusal was reconsidered. */
interface Meanwhile {
  hasEnded?: true;
  failure?: Error;
}

/**
 * Forwards one request and its response. It is undici's handler, so no stream stands between
 * undici's parser and the response. `settle` is called once, with a `BffError` on failure. A
 * browser that disconnects is not a failure.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #asked: UpstreamRequest;
  readonly #settle: (failure?: Error) => void;
  readonly #body: Readable | Buffer | null;
  readonly #answer: ResponseWriter;
  #headers: HeaderList;
  #retriesLeft: number;
  #mayAskAgain: boolean;
  #server: UpstreamServer | undefined;
  /** Servers that refused the connection. `undefined` if none has. */
  #tried: UpstreamServer[] | undefined;
  /** Controller of the newest attempt. `undefined` until it has a connection. */
  #controller: Dispatcher.DispatchController | undefined;
  /** The discarded response, until it has ended. */
  #refused: { readonly controller: Dispatcher.DispatchController; size: number } | undefined;
  /** Set while a refusal is reconsidered. */
  #undecided: Meanwhile | undefined;
  #isOver = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    asked: UpstreamRequest,
    settle: (failure?: Error) => void,
  ) {
    this.#request = request;
    this.#response = response;
    this.#asked = asked;
    this.#settle = settle;
    this.#headers = asked.headers;
    this.#answer = new ResponseWriter(response);
    this.#body = asked.body ?? (hasBody(request) ? limitedBody(request, asked.maxBody) : null);
    this.#mayAskAgain = !(this.#body instanceof Readable) && asked.onUnauthorized !== undefined;
    const isRepeatable = this.#body === null && idempotent.has(request.method ?? '');
    this.#retriesLeft = isRepeatable ? asked.retry : 0;
  }

  start(): void {
    this.#response.on('close', () => this.#end());
    try {
      this.#send(this.#asked.upstream.choose());
    } catch (mistake) {
      // The caller settles. A later `close` event must not settle again.
      this.#isOver = true;
      if (this.#server) this.#server.busy -= 1;
      throw mistake;
    }
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
    this.#server?.answered();
    this.#asked.proof?.updateNonce(headers, this.#server?.address.origin ?? '');
    const stepUp = status === 401 ? this.#asked.stepUp?.(headers) : undefined;
    if (stepUp) return this.#end(stepUp);
    if (status !== 401 || !this.#mayAskAgain) return this.#begin(controller, status, headers);
    this.#mayAskAgain = false;
    controller.pause();
    void this.#reconsider(controller, status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (controller === this.#refused?.controller) this.#discard(chunk);
    else this.#answer.take(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (controller === this.#refused?.controller) this.#refused = undefined;
    else if (this.#answer.hasBegun) this.#end();
    else if (this.#undecided) this.#undecided.hasEnded = true;
  }

  onResponseError(controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (controller && controller === this.#refused?.controller) return;
    if (this.#isOver) return;
    if (this.#undecided) {
      this.#undecided.failure = error;
      return;
    }
    const next = this.#answer.hasBegun ? undefined : this.#nextServer(error);
    if (next) this.#send(next);
    else this.#end(error);
  }

  #send(server: UpstreamServer | undefined): void {
    if (!server) return this.#end(new Error('the route has no upstream'));
    if (this.#server) this.#server.busy -= 1;
    this.#server = server;
    server.busy += 1;
    this.#controller = undefined;
    const { path, timeout, idleTimeout, proof } = this.#asked;
    const headers = proof?.prove(this.#headers, server.address.origin, path) ?? this.#headers;
    server.dispatcher.dispatch(
      {
        path,
        method: this.#request.method as Dispatcher.HttpMethod,
        // undici accepts arrays as values, but its types do not say so.
        headers: ['host', server.host, ...headers] as string[],
        body: this.#body,
        headersTimeout: timeout,
        bodyTimeout: idleTimeout,
      },
      this,
    );
  }

  /**
   * Returns the server for another attempt after a failure before the response. Returns `undefined`
   * if the failure is final.
   */
  #nextServer(error: Error): UpstreamServer | undefined {
    if (isOurs(error)) return undefined;
    const { upstream } = this.#asked;
    const isUnsent = this.#controller === undefined;
    if (isUnsent && this.#server) {
      this.#server.refused();
      this.#tried = [...(this.#tried ?? []), this.#server];
      // Nothing has been sent, so even a request that is not idempotent can go to another server.
      const other = upstream.choose(this.#tried);
      if (other) return other;
    }
    if (this.#retriesLeft === 0 || isUnsent || !isBroken(error)) return undefined;
    this.#retriesLeft -= 1;
    return upstream.choose();
  }

  /** Tries again with another token if there is one. Keeps the refusal until that is known. */
  async #reconsider(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): Promise<void> {
    const undecided: Meanwhile = {};
    this.#undecided = undecided;
    const { onUnauthorized, logContext } = this.#asked;
    const ask = () => onUnauthorized?.(headers);
    const others = await (logContext ? logContext.within(ask) : ask());
    this.#undecided = undefined;
    if (this.#isOver) return;
    const { hasEnded, failure } = undecided;
    if (others) {
      if (!hasEnded && !failure) this.#refused = { controller, size: 0 };
      this.#headers = others;
      this.#answer.forget();
      this.#send(this.#server);
    } else if (failure) {
      this.#end(failure);
    } else {
      this.#begin(controller, status, headers);
      if (hasEnded) this.#end();
    }
    controller.resume();
  }

  #discard(chunk: Buffer): void {
    if (!this.#refused) return;
    this.#refused.size += chunk.length;
    if (this.#refused.size > worthReading)
      this.#refused.controller.abort(new errors.RequestAbortedError());
  }

  #begin(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    this.#answer.begin(controller, status, this.#asked.responseHeaders(headers));
  }

  /**
   * Ends the exchange: complete, broken off, without a response, or after the browser disconnected.
   */
  #end(failure?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#server) this.#server.busy -= 1;
    if (this.#answer.hasBegun && !failure && !this.#response.destroyed) this.#answer.complete();
    else {
      this.#answer.abandon();
      this.#controller?.abort(new errors.RequestAbortedError());
    }
    this.#refused?.controller.abort(new errors.RequestAbortedError());
    if (this.#body) letFinish(this.#request);
    this.#settle(failure && asBffError(failure));
  }
}
