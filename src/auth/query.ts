import type { Request } from 'express';
import { BffError } from '../errors.ts';

/** The most parameters of a callback or form, more than any response of the protocol has. */
const protocolLimit = 64;

/** The most parameters of any other query. Decoding thousands of them would take longer than everything else. */
const queryLimit = 512;

/** The query of a request, read in one pass: to ask for a parameter costs the same, however many there are. */
export class Query {
  readonly #values = new Map<string, string>();
  readonly #repeated = new Set<string>();

  /** All parameters as they were sent, with nothing parsed into arrays or objects. */
  constructor(readonly parameters: URLSearchParams) {
    for (const [key, value] of parameters) {
      if (this.#values.has(key)) this.#repeated.add(key);
      else this.#values.set(key, value);
      // Spelled like a list: `name[]`, `name[0]`, `name[key]`.
      const bracket = key.indexOf('[');
      if (bracket > 0) this.#repeated.add(key.slice(0, bracket));
    }
  }

  /** The first value of a parameter, `undefined` if it was not sent. */
  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** Whether a parameter was sent more than once, or spelled like a list. */
  isRepeated(name: string): boolean {
    return this.#repeated.has(name);
  }
}

/** The query of a request. Throws `invalid_request` for more than 512 parameters. */
export function queryOf(request: Request): Query {
  return new Query(limitedParameters(queryText(request), queryLimit));
}

/** The query of a request that is part of the protocol. Throws `invalid_request` for more than 64 parameters. */
export function limitedQueryOf(request: Request): URLSearchParams {
  return limitedParameters(queryText(request));
}

/**
 * Reads `application/x-www-form-urlencoded` text. Throws `invalid_request` for more parameters than `limit` (64 by default),
 * before any of them is decoded.
 */
export function limitedParameters(text: string, limit = protocolLimit): URLSearchParams {
  let count = 0;
  for (let start = 0; start < text.length;) {
    const next = text.indexOf('&', start);
    const end = next < 0 ? text.length : next;
    if (end > start) count += 1;
    if (count > limit) throw invalid(`there are more than ${limit} parameters`);
    start = end + 1;
  }
  return new URLSearchParams(text);
}

/**
 * One parameter of ours, `undefined` if it was not sent. Throws `invalid_request` for a repeated one, because two readers might
 * take different values, and for control characters; what is wrong with a return URL has a code of its own.
 */
export function parameter(query: Query, name: string): string | undefined {
  if (query.isRepeated(name)) throw invalid(`${name} is repeated`);
  const value = query.get(name);
  const isReturnUrl = name === 'returnUrl' || name === 'target_link_uri';
  if (value !== undefined && !isReturnUrl && /\p{Cc}/u.test(value))
    throw invalid(`${name} has control characters`);
  return value;
}

function queryText({ originalUrl }: Request): string {
  const mark = originalUrl.indexOf('?');
  return mark < 0 ? '' : originalUrl.slice(mark + 1);
}

function invalid(what: string): BffError {
  return new BffError('invalid_request', { cause: new Error(what) });
}
