import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Logger, PinoLogger } from 'nestjs-pino';
import { pino } from 'pino';
import { isError } from '../errors.ts';
import { type EndedRequest, lineFormat, requestLine } from './log-lines.ts';
import type { LineStream } from './standard-output.ts';

type Lines = PinoLogger['logger'];

/**
 * The log of the current request. It adds the request id to every line, wherever the line is
 * written.
 */
const ofThisRequest = new AsyncLocalStorage<RequestLines>();

/**
 * Log contexts of Nest itself. Nest logs how it wires the application, which only helps developers,
 * and start-up errors, which it also throws. Both are logged at `debug` level.
 */
const nestItself = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
  'ExceptionHandler',
]);

/** The destination and format of log lines. */
interface Output {
  readonly lines: Lines;
  readonly stream: LineStream;
  /** The members of all lines, as JSON after a comma. */
  readonly bindings: string;
}

const linesOf = Symbol('lines');

type Logged = ServerResponse & { [linesOf]?: RequestLines };

/** Writes one JSON line per event and one per request. */
export class ServerLog extends Logger {
  readonly #output: Output;

  /**
   * Without a `stream`, lines are written synchronously to standard output. `worker` is added to
   * all lines if there are several processes.
   */
  constructor(level: string, stream: LineStream = pino.destination(1), worker?: number) {
    const isOnly = worker === undefined;
    const lines = pino({ ...lineFormat, level, base: isOnly ? null : { worker } }, stream);
    super(new RequestAwareLogger(lines), {});
    this.#output = { lines, stream, bindings: isOnly ? '' : `,"worker":${worker}` };
  }

  /**
   * Gives the request an id and logs it when it ends. Other lines have the id only if they are
   * logged inside `within` of the returned object.
   */
  begin(request: IncomingMessage, response: Logged): RequestLines {
    request.id ??= randomUUID();
    const requestLines = new RequestLines(this.#output, request, response);
    response[linesOf] = requestLines;
    response.on('close', conclude);
    // After a WebSocket upgrade the response emits no `close` event.
    if (request.headers.upgrade !== undefined) response.on('finish', conclude);
    return requestLines;
  }

  override log(message: unknown, ...rest: unknown[]): void {
    if (isOfNestItself(rest)) this.debug(message, ...rest);
    else super.log(fieldsOf(message), ...rest);
  }

  override error(message: unknown, ...rest: unknown[]): void {
    if (isOfNestItself(rest)) this.debug(message, ...rest);
    else super.error(fieldsOf(message), ...rest);
  }
}

/**
 * The log of one request. Most requests have only the final line, so the child logger is created on
 * demand.
 */
class RequestLines {
  readonly #began = performance.now();
  readonly #output: Output;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #own: Lines | undefined;
  #isOver = false;

  constructor(output: Output, request: IncomingMessage, response: ServerResponse) {
    this.#output = output;
    this.#request = request;
    this.#response = response;
  }

  /** A logger that adds the request to every line. */
  get own(): Lines {
    this.#own ??= this.#output.lines.child({ req: this.#request });
    return this.#own;
  }

  /** Runs work whose log lines belong to this request. */
  within<Result>(work: () => Result): Result {
    return ofThisRequest.run(this, work);
  }

  /** Writes the final line. It has no status if the client disconnected before the response. */
  conclude(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { statusCode, headersSent, writableFinished } = this.#response;
    const level = statusCode >= 500 ? 'error' : 'info';
    const { lines, stream, bindings } = this.#output;
    if (!lines.isLevelEnabled(level)) return;
    const howItEnded = writableFinished ? 'request completed' : 'request aborted';
    const { id, method = '', url = '', caller } = this.#request;
    const ended: EndedRequest = {
      level,
      at: Date.now(),
      bindings,
      id: String(id),
      method,
      url,
      caller,
      status: headersSent ? statusCode : undefined,
      milliseconds: Math.round(performance.now() - this.#began),
      message: level === 'error' ? 'request failed' : howItEnded,
    };
    if (stream.writeLater) stream.writeLater(() => requestLine(ended));
    else stream.write(requestLine(ended));
  }
}

/**
 * Runs work whose log lines belong to the request of this response. For work that an event of
 * another connection begins, such as a response of an upstream.
 */
export function inRequestLog<Result>(response: Logged, work: () => Result): Result {
  const lines = response[linesOf];
  return lines ? lines.within(work) : work();
}

/** A single function with the response as `this` avoids a closure per request. */
function conclude(this: Logged): void {
  this[linesOf]?.conclude();
}

/**
 * The logger of nestjs-pino with a destination per application. Its default destination is shared
 * by the whole process.
 */
class RequestAwareLogger extends PinoLogger {
  constructor(private readonly own: Lines) {
    super({ pinoHttp: { logger: own } });
  }

  override get logger(): Lines {
    return ofThisRequest.getStore()?.own ?? this.own;
  }
}

/** Nest passes the log context as the last argument. */
function isOfNestItself(rest: readonly unknown[]): boolean {
  return nestItself.has(String(rest.at(-1)));
}

function fieldsOf(message: unknown): object {
  if (isError(message)) return { msg: 'unexpected error', err: message };
  return typeof message === 'object' && message !== null ? message : { msg: String(message) };
}
