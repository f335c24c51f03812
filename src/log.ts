import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Logger, PinoLogger } from 'nestjs-pino';
import { destination, type DestinationStream } from 'pino';
import { type HttpLogger, type Options, pinoHttp } from 'pino-http';
import { isError } from './errors.ts';

/** The logger of the request under way, so that every line of its work carries its id, whoever writes it. */
const ofThisRequest = new AsyncLocalStorage<PinoLogger['logger']>();

/**
 * What Nest tells of itself: how it wires the application, which is of use to somebody who changes the wiring, and the
 * errors of the start, which it throws as well. An operator has no use for either.
 */
const nestItself = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
  'ExceptionHandler',
]);

/**
 * One JSON line for what happens, and one for every request. Lines are built from names that are known to be safe, not
 * cleaned of what is known to be secret: no header, no query, no body, no property of an error but its name, code,
 * message and stack.
 */
export class ServerLog extends Logger {
  readonly #http: HttpLogger;

  /** Without a stream to standard output, where a line is written before the next thing happens. */
  constructor(level: string, stream?: DestinationStream) {
    const http = pinoHttp({ ...lines, level }, stream);
    super(new RequestAwareLogger(http.logger), {});
    this.#http = http;
  }

  /** Gives the request an id, writes its line when it is over, and has its id in all lines until then. */
  readonly middleware = (
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
  ): void => {
    this.#http(request, response);
    ofThisRequest.run(request.log, next);
  };

  override log(message: unknown, ...rest: unknown[]): void {
    if (isOfNestItself(rest)) this.debug(message, ...rest);
    else super.log(fieldsOf(message), ...rest);
  }

  override error(message: unknown, ...rest: unknown[]): void {
    if (isOfNestItself(rest)) this.debug(message, ...rest);
    else super.error(fieldsOf(message), ...rest);
  }
}

/** As many bytes of lines wait for a reader that stands still; what comes after them is lost, and requests go on. */
const longestQueue = 64 * 1024 * 1024;

/** Standard output for which nothing waits: a slow reader of the log slows down no request. `end` it to see every line written. */
export function standardOutput(): ReturnType<typeof destination> {
  return destination({ sync: false, maxLength: longestQueue });
}

/** nestjs-pino's logger with a destination of its own: its usual one is one for the whole process, whatever the application. */
class RequestAwareLogger extends PinoLogger {
  constructor(private readonly own: PinoLogger['logger']) {
    super({ pinoHttp: { logger: own } });
  }

  override get logger(): PinoLogger['logger'] {
    return ofThisRequest.getStore() ?? this.own;
  }
}

const lines: Options = {
  base: null,
  timestamp: () => `,"time":"${new Date().toISOString()}"`,
  formatters: { level: (label: string) => ({ level: label }) },
  genReqId: (request: IncomingMessage) => request.id ?? randomUUID(),
  customLogLevel: (_: IncomingMessage, { statusCode }: ServerResponse) =>
    statusCode >= 500 ? 'error' : 'info',
  // What failed has its own line already; pino-http would invent a second error for it.
  customErrorObject: (_, __, ___, line: object) => ({ ...line, err: undefined }),
  customErrorMessage: () => 'request failed',
  wrapSerializers: false,
  hooks: { streamWrite: withoutControls },
  serializers: {
    req: ({ id, method, url = '' }: IncomingMessage) => ({ id, method, path: pathOf(url) }),
    // Whoever went away before the answer has seen no status.
    res: ({ headersSent, statusCode }: ServerResponse) =>
      headersSent ? { status: statusCode } : undefined,
    err: (thrown: unknown) => describeError(thrown),
  },
};

/** Nest hands over the name of who speaks as the last argument. */
function isOfNestItself(rest: readonly unknown[]): boolean {
  return nestItself.has(String(rest.at(-1)));
}

function fieldsOf(message: unknown): object {
  if (isError(message)) return { msg: 'unexpected error', err: message };
  return typeof message === 'object' && message !== null ? message : { msg: String(message) };
}

/** A path says enough after this many characters. */
const longestPath = 1000;

function pathOf(url: string): string {
  return url.split('?', 1)[0]?.slice(0, longestPath) ?? '';
}

/** JSON leaves some characters as they are that a terminal obeys or that turn a line around; they become escapes as well. */
function withoutControls(line: string): string {
  return line.replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

interface ErrorDescription {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  /** The `error` member of a refusal (RFC 6749 §5.2). */
  readonly error?: string;
  readonly stack?: string | undefined;
  readonly cause?: ErrorDescription;
}

function describeError(thrown: unknown, depth = 0): ErrorDescription {
  if (!isError(thrown)) return { type: typeof thrown, message: 'not an error' };
  const { name, cause } = thrown;
  // A parser's message quotes what it could not parse, which may be a token.
  const isQuoting = name === 'SyntaxError';
  return {
    type: name,
    message: isQuoting ? 'could not be parsed' : thrown.message,
    ...('code' in thrown && { code: String(thrown.code) }),
    ...('error' in thrown && { error: String(thrown.error).slice(0, 100) }),
    ...(depth === 0 && !isQuoting && { stack: thrown.stack }),
    ...(isError(cause) && depth < 5 && { cause: describeError(cause, depth + 1) }),
  };
}
