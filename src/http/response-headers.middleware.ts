import { Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { ResponseHeaders } from './response-headers.ts';

/** The place in the request pipeline where every answer gets the headers that all have. */
@Injectable()
export class ResponseHeadersMiddleware implements NestMiddleware {
  constructor(private readonly headers: ResponseHeaders) {}

  use(request: Request, response: Response, next: NextFunction): void {
    // A proxied answer that breaks off has its headers; what broke it comes this way to become
    // known.
    if (!response.headersSent) this.headers.set(request, response);
    next();
  }
}
