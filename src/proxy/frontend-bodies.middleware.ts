import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Application, NextFunction, Request, Response } from 'express';
import { isTaken } from '../http/fallback.middleware.ts';
import { hasBody } from './forward/request-body.ts';
import { FrontendProxyMiddleware } from './frontend-proxy.middleware.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';

/**
 * The last step of the pipeline in a host application: forwards requests with a body to the server
 * of the frontend unless the host takes them, before a body parser of the host reads the body. All
 * other requests for the frontend wait for the controllers.
 */
@Injectable()
export class FrontendBodiesMiddleware implements NestMiddleware {
  constructor(
    @Inject(PROXY_OPTIONS) private readonly options: ProxyOptions,
    private readonly adapterHost: HttpAdapterHost,
    private readonly frontend: FrontendProxyMiddleware,
  ) {}

  use(request: Request, response: Response, next: NextFunction): void {
    if (!this.options.frontendRoute || !hasBody(request)) return next();
    const app = this.adapterHost.httpAdapter.getInstance<Application>();
    if (isTaken(app, request.path)) next();
    else this.frontend.use(request, response, next);
  }
}
