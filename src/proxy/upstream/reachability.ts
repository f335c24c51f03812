import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { parseAddress } from './address.ts';
import type { UpstreamTls } from './tls.ts';

/**
 * Connects to an upstream address, over TLS for `https:`, and disconnects without sending a
 * request. Throws the connection error or the signal's reason.
 */
export async function checkReachable(
  address: string,
  signal: AbortSignal,
  tls: UpstreamTls = {},
): Promise<void> {
  const { origin, socketPath } = parseAddress(address);
  const { protocol, hostname, port } = new URL(origin);
  const isTls = protocol === 'https:';
  const host = hostname.replace(/^\[|\]$/g, '');
  const target = { host, port: Number(port) || (isTls ? 443 : 80) };
  const socket = isTls
    ? connectTls({ ...target, ...tls, servername: host })
    : connectTcp(socketPath ? { path: socketPath } : target);
  try {
    await once(socket, isTls ? 'secureConnect' : 'connect', { signal });
  } finally {
    socket.destroy();
  }
}
