import type { IncomingMessage } from 'node:http';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { isError } from '../errors.ts';

/**
 * How a line is made. Lines are built from names that are known to be safe, not cleaned of what is
 * known to be secret: no header, no query, no body, no property of an error but its name, code,
 * message and stack.
 */
export const lineFormat: LoggerOptions = {
  base: null,
  timestamp: () => `,"time":"${timeText(Date.now())}"`,
  formatters: { level: (label: string) => ({ level: label }) },
  hooks: { streamWrite: withoutControls },
  serializers: {
    req: ({ id, method, url = '' }: IncomingMessage) => ({ id, method, path: pathOf(url) }),
    err: (thrown: unknown) => describeError(thrown),
  },
};

/**
 * What is told of a request that is over. It keeps nothing of the request itself, which nobody has
 * to remember until its line leaves.
 */
export interface EndedRequest {
  readonly level: string;
  /** When it was over, in epoch milliseconds. */
  readonly at: number;
  /** Those of every line, as JSON members after a comma. */
  readonly bindings: string;
  readonly id: string;
  readonly method: string;
  readonly url: string;
  /** Absent: nobody has seen one. */
  readonly status: number | undefined;
  readonly milliseconds: number;
  readonly message: string;
}

/**
 * The line of a request that is over, in the same form. It is made by hand: every request has one,
 * and pino, which makes any line, takes several times as long.
 */
export function requestLine(ended: EndedRequest): string {
  const { level, at, bindings, id, method, url, status, milliseconds, message } = ended;
  const req = `${quoted(id)},"method":"${method}","path":${quoted(pathOf(url))}}`;
  const res = status === undefined ? '' : `,"res":{"status":${status}}`;
  return `${beginning(level, at, bindings)}${req}${res},"responseTime":${milliseconds},"msg":"${message}"}\n`;
}

let begun = { level: '', bindings: '', time: '', text: '' };

/** Up to the id of the request, which is the same for all lines of a millisecond. */
function beginning(level: string, at: number, bindings: string): string {
  const time = timeText(at);
  if (time !== begun.time || level !== begun.level || bindings !== begun.bindings) {
    const text = `{"level":"${level}","time":"${time}"${bindings},"req":{"id":`;
    begun = { level, bindings, time, text };
  }
  return begun.text;
}

/** As JSON. Most texts can stay as they are, and to see that takes less than to make them anew. */
function quoted(text: string): string {
  return /^[ !#-[\]-~]*$/.test(text) ? `"${text}"` : withoutControls(JSON.stringify(text));
}

/** A log for lines that belong to no request. */
export type PlainLog = ReturnType<typeof plainLog>;

/** A log of its own for who is no Nest application, in the same form. */
export function plainLog(level: string, context: string, stream: DestinationStream): Logger {
  return pino({ ...lineFormat, level }, stream).child({ context });
}

let latest = { at: 0, text: '' };

/** Written anew once in a millisecond. */
function timeText(at: number): string {
  if (at !== latest.at) latest = { at, text: new Date(at).toISOString() };
  return latest.text;
}

/** A path says enough after this many characters. */
const longestPath = 1000;

function pathOf(url: string): string {
  const questionMark = url.indexOf('?');
  const path = questionMark < 0 ? url : url.slice(0, questionMark);
  return path.slice(0, longestPath);
}

/**
 * JSON leaves some characters as they are that a terminal obeys or that turn a line around; they
 * become escapes as well.
 */
function withoutControls(line: string): string {
  return line.replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** What went wrong is said by then, in characters; the rest may be what somebody sent. */
const longestMessage = 1000;
const longestStack = 8000;

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
    message: isQuoting ? 'could not be parsed' : thrown.message.slice(0, longestMessage),
    ...('code' in thrown && { code: String(thrown.code) }),
    ...('error' in thrown && { error: String(thrown.error).slice(0, 100) }),
    ...(depth === 0 && !isQuoting && { stack: thrown.stack?.slice(0, longestStack) }),
    ...(isError(cause) && depth < 5 && { cause: describeError(cause, depth + 1) }),
  };
}
