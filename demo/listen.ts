import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A server of the demo that is listening. `close` ends open connections too and resolves when the
 * port is free.
 */
export interface RunningServer {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Listens on a port, or on a free one for port `0`, and says which. Rejects as `listen` does, with
 * `EADDRINUSE` for instance.
 */
export async function listen(server: Server, port: number, host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, host, resolve);
  await promise;
  server.off('error', reject);
  return (server.address() as AddressInfo).port;
}

/** Stops a server without waiting for clients that keep their connections open. */
export async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}
