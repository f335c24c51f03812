import type { IncomingMessage } from 'node:http';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { isError } from '../errors.ts';
import type { LoggedCaller } from './logged-caller.ts';

/**
 * The pino options of all logs. Lines contain only fields that are known to be safe: no header,
 * query or body, and of an error only its name, code, message and stack.
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
 * Log data of a completed request. It holds no reference to the request, which can be freed before
 * the line is written.
 */
export interface EndedRequest {
  readonly level: string;
  /** The time of completion, in epoch milliseconds. */
  readonly at: number;
  /** The members of every line, as JSON after a comma. */
  readonly bindings: string;
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly caller: LoggedCaller | undefined;
  /** `undefined` if the client received no status. */
  readonly status: number | undefined;
  readonly milliseconds: number;
  readonly message: string;
}

/**
 * Formats the line of a completed request in the format of `lineFormat`. It does not use pino,
 * which takes several times as long, and every request has this line.
 */
export function requestLine(ended: EndedRequest): string {
  const { level, at, bindings, id, method, url, caller, status, milliseconds, message } = ended;
  const by = caller === undefined ? '' : `,"${caller.kind}":${quoted(caller.name)}`;
  const req = `${quoted(id)},"method":"${method}","path":${quoted(pathOf(url))}}`;
  const res = status === undefined ? '' : `,"res":{"status":${status}}`;
  const rest = `,"responseTime":${milliseconds},"msg":"${message}"}\n`;
  return beginning(level, at, bindings) + req + by + res + rest;
}

let begun = { level: '', bindings: '', time: '', text: '' };

/**
 * Returns the start of a line up to the request id. It is cached for lines of the same millisecond.
 */
function beginning(level: string, at: number, bindings: string): string {
  const time = timeText(at);
  if (time !== begun.time || level !== begun.level || bindings !== begun.bindings) {
    const text = `{"level":"${level}","time":"${time}"${bindings},"req":{"id":`;
    begun = { level, bindings, time, text };
  }
  return begun.text;
}

/**
 * Returns a JSON string. Most texts need no escaping, and checking that is faster than
 * `JSON.stringify`.
 */
function quoted(text: string): string {
  return /^[ !#-[\]-~]*$/.test(text) ? `"${text}"` : withoutControls(JSON.stringify(text));
}

/** A log for lines that belong to no request. */
export type PlainLog = ReturnType<typeof plainLog>;

/** Creates a log in the same format for processes without a Nest application. */
export function plainLog(level: string, context: string, stream: DestinationStream): Logger {
  return pino({ ...lineFormat, level }, stream).child({ context });
}

let latest = { at: 0, text: '' };

/** Formats a time. The result is cached for a millisecond. */
function timeText(at: number): string {
  if (at !== latest.at) latest = { at, text: new Date(at).toISOString() };
  return latest.text;
}

/** The maximum length of a logged path, in characters. */
const longestPath = 1000;

function pathOf(url: string): string {
  const questionMark = url.indexOf('?');
  const path = questionMark < 0 ? url : url.slice(0, questionMark);
  return path.slice(0, longestPath);
}

/** Escapes characters that JSON allows but that control a terminal or change the text direction. */
function withoutControls(line: string): string {
  return line.replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The maximum length of a logged message, in characters. The rest may be input from a client. */
const longestMessage = 1000;
const longestStack = 8000;

interface ErrorDescription {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  /** The `error` member of an error response (RFC 6749 §5.2). */
  readonly error?: string;
  readonly stack?: string | undefined;
  readonly cause?: ErrorDescription;
}

function describeError(thrown: unknown, depth = 0): ErrorDescription {
  if (!isError(thrown)) return { type: typeof thrown, message: 'not an error' };
  const { name, cause } = thrown;
  // The message of a parser quotes its input, which may be a token.
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
