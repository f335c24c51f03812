import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

/**
 * Connects to a server as the proxy would, over TLS where the address says so, and hangs up without a request. Throws what
 * the connection fails with, or the signal's reason.
 */
export async function reach(address: string, signal: AbortSignal): Promise<void> {
  const { protocol, hostname, port } = new URL(address);
  const isTls = protocol === 'https:';
  const host = hostname.replace(/^\[|\]$/g, '');
  const target = { host, port: Number(port) || (isTls ? 443 : 80) };
  const socket = isTls ? connectTls({ ...target, servername: host }) : connectTcp(target);
  try {
    await once(socket, isTls ? 'secureConnect' : 'connect', { signal });
  } finally {
    socket.destroy();
  }
}
