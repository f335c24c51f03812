import { createServer } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import { ExpressAdapter } from '@nestjs/platform-express';

/**
 * For a whole request, in milliseconds: Node's five minutes would cut off an honest upload over a
 * slow line.
 */
const requestTimeout = 30 * 60 * 1000;

/**
 * A load balancer keeps idle connections for a minute; were we the first to close one, a request on
 * it would be lost.
 */
const keepAliveTimeout = 75_000;

/** Nest's adapter for Express, on a server made for passing requests on. */
export class HttpAdapter extends ExpressAdapter {
  /** Absent: the server speaks HTTP without TLS. */
  constructor(private readonly tls: ServerOptions | undefined) {
    super();
  }

  override initHttpServer(): void {
    const options = {
      requestTimeout,
      keepAliveTimeout,
      // Most requests have no body, and a stream for one of them costs as much as all the rules for
      // its headers.
      optimizeEmptyRequests: true,
    };
    this.httpServer = this.tls
      ? createSecureServer({ ...options, ...this.tls }, this.getInstance())
      : createServer(options, this.getInstance());
  }
}
