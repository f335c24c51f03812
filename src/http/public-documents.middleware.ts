import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { BffError } from '../errors.ts';

/** Injects `PublicDocuments`. */
export const PUBLIC_DOCUMENTS = Symbol('public documents');

/** JSON documents that anyone may read, by path. */
export type PublicDocuments = ReadonlyMap<string, object>;

/** How long a client may use a document without asking again, in seconds. */
const maxAge = 300;

/** Serves the documents that clients discover this server by, to pages of every origin. */
@Injectable()
export class PublicDocumentsMiddleware implements NestMiddleware {
  constructor(@Inject(PUBLIC_DOCUMENTS) private readonly documents: PublicDocuments) {}

  use(request: Request, response: Response, next: NextFunction): void {
    const [path = ''] = request.originalUrl.split('?', 1);
    const document = this.documents.get(path);
    if (!document) return next();
    response.setHeader('Access-Control-Allow-Origin', '*');
    // Otherwise a page of another origin may not read it.
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        response.setHeader('Cache-Control', `public, max-age=${maxAge}`);
        response.json(document);
        return;
      case 'OPTIONS':
        response.setHeader('Access-Control-Allow-Methods', 'GET, HEAD');
        // MCP clients send their protocol version.
        response.setHeader('Access-Control-Allow-Headers', '*');
        response.setHeader('Access-Control-Max-Age', '86400');
        response.status(204).end();
        return;
      default:
        throw new BffError('method_not_allowed', { headers: { Allow: 'GET, HEAD, OPTIONS' } });
    }
  }
}
