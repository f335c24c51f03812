import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { BffError } from '../errors.ts';
import { isBelow } from '../http/path-prefix.ts';
import { limitUnreadBody } from '../http/unread-body.ts';
import { WELL_KNOWN, type WellKnown } from './well-known.ts';

const methods = 'GET, HEAD, OPTIONS';

/**
 * Serves the metadata of our routes and of our authorization server, which scripts of any origin
 * may read. Everything below their prefixes is ours: an unknown resource is `not_found`.
 */
@Injectable()
export class WellKnownMiddleware implements NestMiddleware {
  constructor(@Inject(WELL_KNOWN) private readonly wellKnown: WellKnown) {}

  use(request: Request, response: Response, next: NextFunction): void {
    const [path = ''] = request.originalUrl.split('?', 1);
    if (!path.startsWith('/.well-known/')) return next();
    const decoded = decodeURIComponent(path);
    if (!this.wellKnown.prefixes.some((prefix) => isBelow(decoded, prefix))) return next();
    this.#serve(decoded, request, response);
  }

  #serve(path: string, request: Request, response: Response): void {
    limitUnreadBody(request, response);
    response.setHeader('Access-Control-Allow-Origin', '*');
    const document = this.wellKnown.documents.get(path);
    if (document === undefined) throw new BffError('not_found');
    if (request.method === 'OPTIONS') return sendPreflight(response);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new BffError('method_not_allowed', { headers: { Allow: methods } });
    response.setHeader('Cache-Control', 'public, max-age=60');
    response.type('application/json').send(document);
  }
}

/** Clients send headers such as `MCP-Protocol-Version`, which need a preflight. */
function sendPreflight(response: Response): void {
  response.setHeader('Allow', methods);
  response.setHeader('Access-Control-Allow-Methods', 'GET, HEAD');
  response.setHeader('Access-Control-Allow-Headers', '*');
  response.setHeader('Access-Control-Max-Age', '600');
  response.status(204).end();
}
