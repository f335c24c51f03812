import type { Request } from 'express';
import { BffError } from '../errors.ts';

/** The query as it was sent, with nothing parsed into arrays or objects. */
export function queryOf(request: Request): URLSearchParams {
  const [, query = ''] = request.originalUrl.split(/\?(.*)/s, 2);
  return new URLSearchParams(query);
}

/**
 * One parameter of ours. Absent: it was not sent. Throws `invalid_request` for a repeated one, because two readers might
 * take different values, and for control characters; what is wrong with a return URL has a code of its own.
 */
export function parameter(query: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = query.getAll(name);
  const isSpeltLikeAList = [...query.keys()].some((key) => key.startsWith(`${name}[`));
  if (others.length > 0 || isSpeltLikeAList) throw invalid(`${name} is repeated`);
  const isReturnUrl = name === 'returnUrl' || name === 'target_link_uri';
  if (value !== undefined && !isReturnUrl && /\p{Cc}/u.test(value))
    throw invalid(`${name} has control characters`);
  return value;
}

function invalid(what: string): BffError {
  return new BffError('invalid_request', { cause: new Error(what) });
}
