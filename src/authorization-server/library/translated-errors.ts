import { errors } from 'oidc-provider';
import { BffError } from '../../errors.ts';

/** Translates our errors to errors of the library, which sends them to the client. */
export async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BffError)) throw error;
    const { status, message } = error;
    const unavailable = new errors.TemporarilyUnavailable(message);
    throw Object.assign(unavailable, { cause: error, status, statusCode: status, expose: true });
  }
}
