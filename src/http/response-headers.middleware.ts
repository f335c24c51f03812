import { Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { ResponseHeaders } from './response-headers.ts';

/** Sets the default headers of every response. */
@Injectable()
export class ResponseHeadersMiddleware implements NestMiddleware {
  constructor(private readonly headers: ResponseHeaders) {}

  use(request: Request, response: Response, next: NextFunction): void {
    this.headers.set(request, response);
    next();
  }
}
