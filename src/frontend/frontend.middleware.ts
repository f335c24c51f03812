import type { ServerResponse } from 'node:http';
import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import sirv from 'sirv';
import { BffError } from '../errors.ts';

/** Injects `FrontendRoomOptions`. */
export const FRONTEND_OPTIONS = Symbol('frontend options');

/** The slice of the configuration this room works with. */
export interface FrontendRoomOptions {
  readonly basePath: string;
  /** A built single-page application. Absent: another server has the frontend, or there is none. */
  readonly directory?: string | undefined;
}

/** A hash in the name (`app-4f3a9c21.js`, `app.B7xk2Qp9.css`): the content of this address never changes. */
const hashedName = /[-.](?=[\w-]*\d)[\w-]{8,}\.\w+$/;

/**
 * Serves a built single-page application: its files, precompressed where `.br` or `.gz` lie beside them, and `index.html`
 * for every page navigation that names no file, because the application has routes of its own.
 */
@Injectable()
export class FrontendMiddleware implements NestMiddleware {
  readonly #serve: ReturnType<typeof sirv> | undefined;

  constructor(@Inject(FRONTEND_OPTIONS) private readonly options: FrontendRoomOptions) {
    const { directory } = options;
    this.#serve = directory
      ? sirv(directory, { etag: true, brotli: true, gzip: true, setHeaders: cacheRule })
      : undefined;
  }

  use(request: Request, response: Response, next: NextFunction): void {
    const { originalUrl, method } = request;
    const [path = ''] = originalUrl.split('?', 1);
    const { basePath } = this.options;
    if (!this.#serve || path === basePath || path.startsWith(`${basePath}/`)) return next();
    if (method !== 'GET' && method !== 'HEAD') {
      throw new BffError('method_not_allowed', { headers: { Allow: 'GET, HEAD' } });
    }
    const serve = this.#serve;
    const notFound = () => next(new BffError('not_found'));
    const fallback = () => serve(at('/', request), response, notFound);
    serve(at(originalUrl, request), response, isNavigation(request) ? fallback : notFound);
  }
}

/** Express trims `url` under a wildcard; the file server reads it, and keeps what it parsed. */
function at(url: string, request: Request): Request {
  request.url = url;
  Reflect.deleteProperty(request, '_parsedUrl');
  return request;
}

function isNavigation({ headers }: Request): boolean {
  const mode = headers['sec-fetch-mode'];
  return mode === undefined ? /\btext\/html\b/.test(headers.accept ?? '') : mode === 'navigate';
}

function cacheRule(response: ServerResponse, pathname: string): void {
  const rule = hashedName.test(pathname) ? 'public, max-age=31536000, immutable' : 'no-cache';
  response.setHeader('Cache-Control', rule);
}
