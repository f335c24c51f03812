import { Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { ProxyService } from './proxy.service.ts';

declare module 'http' {
  interface IncomingMessage {
    /** Set if the proxy was called before the pipeline: see `proxy-fast-path.ts`. */
    proxyResult?: ProxyResult;
  }
}

/** The result for a request that the proxy did not serve: no route matches, or it failed. */
export interface ProxyResult {
  /** `undefined` if no route matches. */
  readonly failure: unknown;
}

/** Runs the proxy in the request pipeline, unless it has run before the pipeline. */
@Injectable()
export class ProxyMiddleware implements NestMiddleware {
  constructor(private readonly proxy: ProxyService) {}

  use(request: Request, response: Response, next: NextFunction): void {
    const { proxyResult } = request;
    if (proxyResult) next(proxyResult.failure);
    else this.proxy.serve(request, response, next);
  }
}
