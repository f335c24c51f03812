import type { RequestListener } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Request, Response } from 'express';
import type { ServerLog } from './log.ts';
import { Proxy } from './proxy/proxy.service.ts';
import { ResponseHeaders } from './response-headers.ts';

/**
 * Lets proxied requests in before Express and Nest see them, which would cost more than all that is done for such a request.
 * It gets its headers and goes to the proxy as in the pipeline of `bff.module.ts`; whatever is none of the proxy's, and what
 * fails, goes through that pipeline.
 */
export function openFrontDoor(app: NestExpressApplication, log: ServerLog): void {
  const server = app.getHttpServer();
  const proxy = app.get(Proxy);
  const headers = app.get(ResponseHeaders);
  const [pipeline] = server.listeners('request') as [RequestListener];
  server.off('request', pipeline);
  server.on('request', (request: Request, response: Response) => {
    log.middleware(request, response, () => {
      request.originalUrl = request.url;
      headers.set(request, response);
      void proxy.serveFirst(request, response, () => pipeline(request, response));
    });
  });
}
