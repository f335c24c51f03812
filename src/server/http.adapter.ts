import { createServer } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import { ExpressAdapter } from '@nestjs/platform-express';

/**
 * The maximum time to receive a request, in milliseconds. Node's default of five minutes would
 * abort a legitimate upload over a slow connection.
 */
const requestTimeout = 30 * 60 * 1000;

/**
 * The idle timeout of connections, in milliseconds. It is longer than the usual minute of load
 * balancers: if the server closed a connection first, a request sent at that moment would be lost.
 */
const keepAliveTimeout = 75_000;

/** Nest's Express adapter with an HTTP server that is configured for proxying. */
export class HttpAdapter extends ExpressAdapter {
  /** Without `tls` the server speaks plain HTTP. */
  constructor(private readonly tls: ServerOptions | undefined) {
    super();
  }

  override initHttpServer(): void {
    const options = {
      requestTimeout,
      keepAliveTimeout,
      // Most requests have no body. Creating a stream for each of them costs as much as all header
      // rules.
      optimizeEmptyRequests: true,
    };
    this.httpServer = this.tls
      ? createSecureServer({ ...options, ...this.tls }, this.getInstance())
      : createServer(options, this.getInstance());
  }
}
