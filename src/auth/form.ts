import type { IncomingMessage } from 'node:http';
import { BffError } from '../errors.ts';

/** Far more than a form of the protocol ever is, in bytes. */
const largestForm = 64 * 1024;

/**
 * The fields of an `application/x-www-form-urlencoded` body, as they were sent; none if it is of another type. Throws
 * `body_too_large`, and `invalid_request` for a body that breaks off.
 */
export async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) return new URLSearchParams();
  return new URLSearchParams(await textOf(request));
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
  // What is left of it is not worth a connection.
  if (size > largestForm)
    throw new BffError('body_too_large', { headers: { Connection: 'close' } });
  return Buffer.concat(chunks).toString('utf8');
}
