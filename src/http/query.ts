import type { Request } from 'express';
import { BffError } from '../errors.ts';

/** The maximum number of parameters in a callback or form. Protocol responses have far fewer. */
const protocolLimit = 64;

/** The maximum number of parameters in any other query, which bounds the cost of decoding it. */
const queryLimit = 512;

/** The parsed query of a request. A lookup takes constant time. */
export class Query {
  readonly #values = new Map<string, string>();
  readonly #repeated = new Set<string>();

  /** `parameters` are the raw pairs; brackets in names are not parsed into arrays or objects. */
  constructor(readonly parameters: URLSearchParams) {
    for (const [key, value] of parameters) {
      if (this.#values.has(key)) this.#repeated.add(key);
      else this.#values.set(key, value);
      // Array syntax counts as a repetition: `name[]`, `name[0]`, `name[key]`.
      const bracket = key.indexOf('[');
      if (bracket > 0) this.#repeated.add(key.slice(0, bracket));
    }
  }

  /** The first value of a parameter, `undefined` if it was not sent. */
  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** Whether a parameter was sent more than once or in array syntax (`name[]`). */
  isRepeated(name: string): boolean {
    return this.#repeated.has(name);
  }
}

/** Parses the query of a request. Throws `invalid_request` for more than 512 parameters. */
export function queryOf(request: Request): Query {
  return new Query(limitedParameters(queryText(request), queryLimit));
}

/**
 * Parses the query of an authorization response. Throws `invalid_request` for more than 64
 * parameters.
 */
export function limitedQueryOf(request: Request): URLSearchParams {
  return limitedParameters(queryText(request));
}

/**
 * Parses `application/x-www-form-urlencoded` text. Throws `invalid_request` for more than `limit`
 * parameters (64 by default) before it decodes any.
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
 * Returns the value of a query parameter, or `undefined` if it was not sent. Throws
 * `invalid_request` if it is repeated, because two parsers might choose different values, or has
 * control characters. Return URLs may have them here: their own rules refuse them with another
 * error code.
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
