import type { Options } from '../config/options.ts';

/** Where a server is to be found, for the log. */
export function listenAddresses({ publicUrl, server, management }: Options) {
  return {
    publicUrl,
    address: `${server.host}:${server.port}`,
    management: `${management.host}:${management.port}`,
  };
}
