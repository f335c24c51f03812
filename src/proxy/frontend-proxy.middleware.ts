import { Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { hasBody } from './forward/request-body.ts';
import { ProxyService } from './proxy.service.ts';

declare module 'http' {
  interface IncomingMessage {
    /** Set once it is known that no controller of the host application takes the request. */
    isLeftOver?: true;
  }
}

/**
 * Forwards the requests of a host application that none of its controllers takes to the server of
 * the frontend. See `ProxyOptions.frontendIsLast`.
 */
@Injectable()
export class FrontendProxyMiddleware implements NestMiddleware {
  constructor(private readonly proxy: ProxyService) {}

  use(request: Request, response: Response, next: NextFunction): void {
    if (hasBody(request) && request.readableDidRead) return next(new Error(consumed));
    request.isLeftOver = true;
    this.proxy.serve(request, response, next);
  }
}

const consumed =
  'A body for the server of the frontend was read by a body parser, because a handler for all ' +
  'paths could have taken the request. Restrict the paths of that handler, or of the parser.';
