import type { IncomingMessage } from 'node:http';
import { BffError } from '../errors.ts';
import { withDeadline } from './deadline.ts';
import { limitedParameters } from './query.ts';
import { bodyArrivalTimeout } from './unread-body.ts';

/** Maximum size of a form, in bytes. Forms of the protocol are far smaller. */
const largestForm = 64 * 1024;

/** Closes the connection of a refused form, so that the rest of the form is not read. */
const closeConnection = { headers: { Connection: 'close' } };

/**
 * Reads the fields of an `application/x-www-form-urlencoded` body. Returns no fields for another
 * content type. Throws `body_too_large` for more than 64 KB, and `invalid_request` for a body that
 * is aborted, does not arrive within `timeout` milliseconds (10 seconds by default) or has more
 * than 64 fields.
 */
export async function formOf(
  request: IncomingMessage,
  timeout = bodyArrivalTimeout,
): Promise<URLSearchParams> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) return new URLSearchParams();
  const form = await withDeadline(textOf(request), timeout, () => refuseLateForm(timeout));
  return limitedParameters(form);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      size += (chunk as Buffer).length;
      if (size > largestForm) break;
      chunks.push(chunk as Buffer);
    }
  } catch (cause) {
    throw new BffError('invalid_request', { cause });
  }
  if (size > largestForm) throw new BffError('body_too_large', closeConnection);
  return Buffer.concat(chunks).toString('utf8');
}

function refuseLateForm(timeout: number): never {
  const cause = new Error(`the form did not arrive within ${timeout} ms`);
  throw new BffError('invalid_request', { cause, ...closeConnection });
}
