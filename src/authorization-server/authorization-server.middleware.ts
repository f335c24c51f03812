import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { limitedQueryOf } from '../http/query.ts';
import { AUTHORIZATION_SERVER, type AuthorizationServer } from './authorization-server.ts';

/**
 * Hands requests below `{basePath}/oauth` to the authorization server for our own clients. The pages
 * where users consent are a controller of ours. Throws `invalid_request` for a query of more than 64
 * parameters.
 */
@Injectable()
export class AuthorizationServerMiddleware implements NestMiddleware {
  constructor(
    @Inject(AUTHORIZATION_SERVER) private readonly server: AuthorizationServer | undefined,
  ) {}

  async use(request: Request, response: Response, next: NextFunction): Promise<void> {
    const isOurPage = request.path.startsWith('/interaction/');
    if (!this.server || isOurPage) return next();
    // The library parses a query of any size: 16 KB of parameters take it up to 90 ms.
    limitedQueryOf(request);
    await this.server.serve(request, response);
  }
}
