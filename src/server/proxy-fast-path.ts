import type { RequestListener } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Request, Response } from 'express';
import type { ServerLog } from '../telemetry/server-log.service.ts';
import { ProxyService } from '../proxy/proxy.service.ts';

/**
 * Handles proxied requests before Express and Nest, whose overhead is larger than the rest of such
 * a request. Requests that are not for the proxy, and those that fail, go through the pipeline of
 * `bff.module.ts`.
 */
export function installProxyFastPath(app: NestExpressApplication, log: ServerLog): void {
  const server = app.getHttpServer();
  const proxy = app.get(ProxyService);
  const [pipeline] = server.listeners('request') as [RequestListener];
  server.off('request', pipeline);
  server.on('request', (request: Request, response: Response) => {
    request.originalUrl = request.url;
    const lines = log.begin(request, response);
    lines.within(() =>
      proxy.serve(request, response, (failure) => {
        request.proxyResult = { failure };
        // This may run in an event of the upstream connection, which belongs to no request.
        lines.within(() => pipeline(request, response));
      }),
    );
  });
}
