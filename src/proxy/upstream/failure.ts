import { errors } from 'undici';
import { BffError } from '../../errors.ts';

/** Whether the request itself caused the error, so that it is no failure of the server. */
export function isRequestError(error: Error): boolean {
  return error instanceof BffError || error instanceof errors.InvalidArgumentError;
}

/**
 * Translates an upstream error: undici's timeouts to `upstream_timeout`, other errors to
 * `upstream_unreachable`. Returns a `BffError` unchanged.
 */
export function asBffError(error: Error): BffError {
  if (error instanceof BffError) return error;
  const isTimeout =
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError;
  return new BffError(isTimeout ? 'upstream_timeout' : 'upstream_unreachable', { cause: error });
}

/** Whether the connection broke during a request, for example because the server restarted. */
export function isBroken(error: Error): boolean {
  if (error instanceof errors.SocketError) return true;
  return ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');
}
