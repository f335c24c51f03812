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
 * What writes the lines of the request under way, so that each of them carries its id, whoever
 * writes it.
 */
const ofThisRequest = new AsyncLocalStorage<RequestLines>();

/**
 * What Nest tells of itself: how it wires the application, which is of use to somebody who changes
 * the wiring, and the errors of the start, which it throws as well. An operator has no use for
 * either.
 */
const nestItself = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
  'ExceptionHandler',
]);

/** Where lines go, and how. */
interface Output {
  readonly lines: Lines;
  readonly stream: LineStream;
  /** What all lines say, as JSON members after a comma. */
  readonly bindings: string;
}

const linesOf = Symbol('lines');

type Logged = ServerResponse & { [linesOf]?: RequestLines };

/** One JSON line for what happens, and one for every request. */
export class ServerLog extends Logger {
  readonly #output: Output;

  /**
   * Without a stream to standard output, where a line is written before the next thing happens. All
   * lines say which of several processes they are of; absent: there is one.
   */
  constructor(level: string, stream: LineStream = pino.destination(1), worker?: number) {
    const isOnly = worker === undefined;
    const lines = pino({ ...lineFormat, level, base: isOnly ? null : { worker } }, stream);
    super(new RequestAwareLogger(lines), {});
    this.#output = { lines, stream, bindings: isOnly ? '' : `,"worker":${worker}` };
  }

  /**
   * Gives the request an id, and writes its line when it is over. Other lines have the id if they
   * come of work done by way of what this returns: to make that known costs, and most calls have no
   * other line.
   */
  begin(request: IncomingMessage, response: Logged): RequestLines {
    request.id ??= randomUUID();
    const requestLines = new RequestLines(this.#output, request, response);
    response[linesOf] = requestLines;
    response.on('close', conclude);
    // After a WebSocket has taken its connection, nothing closes an answer.
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
 * The lines of one request. Most have only their last, so that nothing is made for others before
 * there are any.
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

  /** Begins every line with the request. */
  get own(): Lines {
    this.#own ??= this.#output.lines.child({ req: this.#request });
    return this.#own;
  }

  /** Other lines that come of this work are theirs, too. */
  within<Result>(work: () => Result): Result {
    return ofThisRequest.run(this, work);
  }

  /** Writes the last of them. Whoever went away before the answer has seen no status. */
  conclude(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { statusCode, headersSent, writableFinished } = this.#response;
    const level = statusCode >= 500 ? 'error' : 'info';
    const { lines, stream, bindings } = this.#output;
    if (!lines.isLevelEnabled(level)) return;
    const howItEnded = writableFinished ? 'request completed' : 'request aborted';
    const { id, method = '', url = '' } = this.#request;
    const ended: EndedRequest = {
      level,
      at: Date.now(),
      bindings,
      id: String(id),
      method,
      url,
      status: headersSent ? statusCode : undefined,
      milliseconds: Math.round(performance.now() - this.#began),
      message: level === 'error' ? 'request failed' : howItEnded,
    };
    if (stream.writeLater) stream.writeLater(() => requestLine(ended));
    else stream.write(requestLine(ended));
  }
}

/** One function for all responses, which it gets as `this`. */
function conclude(this: Logged): void {
  this[linesOf]?.conclude();
}

/**
 * nestjs-pino's logger with a destination of its own: its usual one is one for the whole process,
 * whatever the application.
 */
class RequestAwareLogger extends PinoLogger {
  constructor(private readonly own: Lines) {
    super({ pinoHttp: { logger: own } });
  }

  override get logger(): Lines {
    return ofThisRequest.getStore()?.own ?? this.own;
  }
}

/** Nest hands over the name of who speaks as the last argument. */
function isOfNestItself(rest: readonly unknown[]): boolean {
  return nestItself.has(String(rest.at(-1)));
}

function fieldsOf(message: unknown): object {
  if (isError(message)) return { msg: 'unexpected error', err: message };
  return typeof message === 'object' && message !== null ? message : { msg: String(message) };
}
