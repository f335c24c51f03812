import { errors } from 'undici';
import { BffError } from '../../errors.ts';

/** Whether it says nothing of the server: what we were given could not be sent. */
export function isOurs(error: Error): boolean {
  return error instanceof BffError || error instanceof errors.InvalidArgumentError;
}

/** What went wrong with an upstream, in our words. */
export function asBffError(error: Error): BffError {
  if (error instanceof BffError) return error;
  const isTimeout =
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError;
  return new BffError(isTimeout ? 'upstream_timeout' : 'upstream_unreachable', { cause: error });
}

/** Whether the connection ended under a request, as it does when a server restarts. */
export function isBroken(error: Error): boolean {
  if (error instanceof errors.SocketError) return true;
  return ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');
}
