import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Dispatcher, errors } from 'undici';
import { BffError } from '../errors.ts';
import type { Headers } from './headers.ts';

/** One request to an upstream, decided in every part. */
export interface UpstreamRequest {
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  /** Milliseconds to the response headers. */
  readonly timeout: number;
  /** Milliseconds of silence a running response may have. 0: any. */
  readonly idleTimeout: number;
  /** Largest request body, in bytes. */
  readonly maxBody: number;
  /** What the browser sees of the upstream's headers. */
  readonly responseHeaders: (headers: IncomingMessage['headers']) => Headers;
}

/**
 * Sends a request on and its answer back, both streamed. A browser that goes away ends the upstream's work; an upstream
 * that breaks off breaks off the answer, so that half of it is never taken for the whole. Throws `body_too_large`,
 * `upstream_unreachable` or `upstream_timeout` as long as the answer has not begun.
 */
export async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: UpstreamRequest,
): Promise<void> {
  refuseTooLarge(Number(request.headers['content-length'] ?? 0), upstream.maxBody);
  const abort = new AbortController();
  const onClose = () => abort.abort();
  response.once('close', onClose);
  try {
    const answer = await upstream.dispatcher.request({
      origin: upstream.origin,
      path: upstream.path,
      method: request.method as Dispatcher.HttpMethod,
      headers: upstream.headers,
      body: hasBody(request) ? limited(request, upstream.maxBody) : null,
      signal: abort.signal,
      headersTimeout: upstream.timeout,
      bodyTimeout: upstream.idleTimeout,
    });
    response.writeHead(answer.statusCode, upstream.responseHeaders(answer.headers));
    // Now, not with the first byte: an event stream may be silent for long.
    response.flushHeaders();
    await pipeline(answer.body, response);
  } catch (error) {
    if (response.headersSent) return void response.destroy();
    throw toBffError(error);
  } finally {
    response.off('close', onClose);
  }
}

/** RFC 9112 §6.3: without either field a request has no body. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function limited(request: IncomingMessage, maxBody: number): Transform {
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(size > maxBody ? new BffError('body_too_large') : null, chunk);
    },
  });
  // A browser that goes away in the middle must not look to the upstream like the end of the body.
  request.once('error', (error) => meter.destroy(error));
  request.once('aborted', () => meter.destroy(new Error('the browser went away')));
  return request.pipe(meter);
}

function refuseTooLarge(size: number, maxBody: number): void {
  if (size > maxBody) throw new BffError('body_too_large', { headers: { Connection: 'close' } });
}

function toBffError(error: unknown): BffError {
  if (error instanceof BffError) return error;
  const isTimeout =
    error instanceof errors.HeadersTimeoutError || error instanceof errors.ConnectTimeoutError;
  return new BffError(isTimeout ? 'upstream_timeout' : 'upstream_unreachable', { cause: error });
}
