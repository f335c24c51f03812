import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { refuseForgery } from './csrf.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';

/** Applies `refuseForgery` to endpoints that a page calls with `fetch`. */
@Injectable()
export class CsrfMiddleware implements NestMiddleware {
  constructor(@Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions) {}

  use(request: Request, _response: Response, next: NextFunction): void {
    refuseForgery(request.headers, this.options.csrf, this.options.publicUrl);
    next();
  }
}
