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
  /**
   * Asked when the upstream answers `401` to a request without a body: the headers to ask it once more with. Absent, now or
   * then: its answer stands.
   */
  readonly afterRefusal?: (refusal: IncomingMessage['headers']) => Promise<Headers | undefined>;
  /** Milliseconds to the response headers. */
  readonly timeout: number;
  /** Milliseconds of silence a running response may have. 0: any. */
  readonly idleTimeout: number;
  /** Largest request body, in bytes. */
  readonly maxBody: number;
  /** What the browser sees of the upstream's headers. */
  readonly responseHeaders: (headers: IncomingMessage['headers']) => Headers;
}

const noBytes = Buffer.alloc(0);

/** How long an upload may go on after its answer, in milliseconds. */
const uploadAfterAnswer = 5000;

/**
 * Sends a request on and its answer back, both streamed. A browser that goes away ends the upstream's work, and nothing is
 * thrown: nobody is left to be told. Throws `body_too_large`, `upstream_unreachable` or `upstream_timeout`; if the answer
 * has begun by then, whoever catches must break it off, so that half of it is never taken for the whole.
 */
export async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: UpstreamRequest,
): Promise<void> {
  // It may have gone while its session was looked up; `close` will not come again.
  if (response.closed) return;
  const abort = new AbortController();
  const onClose = () => abort.abort();
  response.once('close', onClose);
  try {
    if (declaredSize(request) > upstream.maxBody) throw new BffError('body_too_large');
    const answer = await ask(request, upstream, abort.signal);
    response.writeHead(answer.statusCode, upstream.responseHeaders(answer.headers));
    // Now, not with the first byte: an event stream may be silent for long. `flushHeaders` would encode them once more.
    response.write(noBytes);
    await pipeline(answer.body, response);
  } catch (error) {
    if (abort.signal.aborted) return;
    // An answer that cannot be passed on would keep its connection for ever.
    abort.abort();
    throw toBffError(error);
  } finally {
    response.off('close', onClose);
    letFinish(request);
  }
}

async function ask(
  request: IncomingMessage,
  upstream: UpstreamRequest,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const { dispatcher, origin, path, maxBody, timeout, idleTimeout } = upstream;
  const isBodyless = !hasBody(request);
  const send = (headers: Headers) =>
    dispatcher.request({
      origin,
      path,
      method: request.method as Dispatcher.HttpMethod,
      headers,
      body: isBodyless ? null : limited(request, maxBody),
      signal,
      headersTimeout: timeout,
      bodyTimeout: idleTimeout,
    });
  const answer = await send(upstream.headers);
  if (answer.statusCode !== 401 || !isBodyless) return answer;
  const others = await upstream.afterRefusal?.(answer.headers);
  if (!others) return answer;
  await answer.body.dump();
  return send(others);
}

/** A browser reads an early answer only after it has sent everything; it is given some time to. */
function letFinish(request: IncomingMessage): void {
  request.unpipe().resume();
  if (request.complete) return;
  const deadline = setTimeout(() => request.socket.destroy(), uploadAfterAnswer).unref();
  request.once('end', () => clearTimeout(deadline));
}

/** RFC 9112 §6.3: without either field a request has no body. */
function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || declaredSize(request) > 0;
}

function declaredSize({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0);
}

function limited(request: IncomingMessage, maxBody: number): Transform {
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(size > maxBody ? new BffError('body_too_large') : null, chunk);
    },
  });
  // Not a pipeline: a body that is too large must not take the connection with it, which still has to carry the answer.
  return request.pipe(meter);
}

function toBffError(error: unknown): BffError {
  if (error instanceof BffError) return error;
  const isTimeout =
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError;
  return new BffError(isTimeout ? 'upstream_timeout' : 'upstream_unreachable', { cause: error });
}
