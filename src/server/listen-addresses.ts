import type { Options } from '../config/options.ts';

/** Returns the addresses of a server, for the log. */
export function listenAddresses({ publicUrl, server, management }: Options) {
  return {
    publicUrl,
    address: `${server.host}:${server.port}`,
    management: `${management.host}:${management.port}`,
  };
}
