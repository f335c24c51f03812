import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Params } from 'nestjs-pino';
import type { DestinationStream } from 'pino';

/**
 * One JSON line for what happens. Lines are built from names that are known to be safe, not cleaned of what is known to be
 * secret: no header, no query, no body, no property of an error but its name, code, message and stack.
 */
export function logParams(level: string, stream?: DestinationStream): Params {
  const options = {
    level,
    base: undefined,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    genReqId: (request: IncomingMessage) => request.id ?? randomUUID(),
    customLogLevel: (_: IncomingMessage, { statusCode }: ServerResponse) =>
      statusCode >= 500 ? ('error' as const) : ('info' as const),
    // What failed has its own line already; pino-http would invent a second error for it.
    customErrorObject: (_: unknown, { statusCode }: ServerResponse, __: unknown, line: object) => ({
      ...line,
      err: undefined,
      res: { status: statusCode },
    }),
    serializers: {
      req: ({ id, method, url }: { id: unknown; method: string; url: string }) => ({
        id,
        method,
        path: url.split('?', 1)[0],
      }),
      res: ({ statusCode }: { statusCode: number }) => ({ status: statusCode }),
      err: describeError,
    },
    wrapSerializers: false,
  };
  return { pinoHttp: stream ? [options, stream] : options } as Params;
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
  if (!(thrown instanceof Error)) return { type: typeof thrown, message: 'not an error' };
  const { name, cause } = thrown;
  // A parser's message quotes what it could not parse, which may be a token.
  const isQuoting = name === 'SyntaxError';
  return {
    type: name,
    message: isQuoting ? 'could not be parsed' : thrown.message,
    ...('code' in thrown && { code: String(thrown.code) }),
    ...('error' in thrown && { error: String(thrown.error).slice(0, 100) }),
    ...(depth === 0 && !isQuoting && { stack: thrown.stack }),
    ...(cause instanceof Error && depth < 5 && { cause: describeError(cause, depth + 1) }),
  };
}
