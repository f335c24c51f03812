import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { AUTHORIZATION_SERVER, type AuthorizationServer } from './authorization-server.ts';

/**
 * Hands requests below `{basePath}/oauth` to the authorization server for our own clients. The pages
 * where users consent are a controller of ours.
 */
@Injectable()
export class AuthorizationServerMiddleware implements NestMiddleware {
  constructor(
    @Inject(AUTHORIZATION_SERVER) private readonly server: AuthorizationServer | undefined,
  ) {}

  async use(request: Request, response: Response, next: NextFunction): Promise<void> {
    const isOurPage = request.path.startsWith('/interaction/');
    if (!this.server || isOurPage) return next();
    await this.server.serve(request, response);
  }
}
