import type { IncomingMessage } from 'node:http';

/** A request body is larger than the one who reads it allows. */
export class BodyTooLarge extends Error {}

/** A whole request body of at most so many bytes; throws `BodyTooLarge` instead of reading on. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > maxBytes) throw new BodyTooLarge(`more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
