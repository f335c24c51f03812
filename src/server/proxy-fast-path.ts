import type { RequestListener } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Request, Response } from 'express';
import type { ServerLog } from '../telemetry/server-log.service.ts';
import { ProxyService } from '../proxy/proxy.service.ts';

/**
 * Lets proxied requests in before Express and Nest see them, which would cost more than all that is
 * done for such a request. Whatever is none of the proxy's, and what fails, goes through the
 * pipeline of `bff.module.ts`.
 */
export function installProxyFastPath(app: NestExpressApplication, log: ServerLog): void {
  const server = app.getHttpServer();
  const proxy = app.get(ProxyService);
  const [pipeline] = server.listeners('request') as [RequestListener];
  server.off('request', pipeline);
  server.on('request', (request: Request, response: Response) => {
    request.originalUrl = request.url;
    proxy.serveFirst(request, response, log.begin(request, response), pipeline);
  });
}
