import { Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { ProxyService } from './proxy.service.ts';

/** Runs the proxy in the request pipeline. */
@Injectable()
export class ProxyMiddleware implements NestMiddleware {
  constructor(private readonly proxy: ProxyService) {}

  async use(request: Request, response: Response, next: NextFunction): Promise<void> {
    if (!(await this.proxy.serve(request, response))) next();
  }
}
