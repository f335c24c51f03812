import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/**
 * A way to a loopback port that one replica alone goes, so that whoever listens there can tell who
 * came.
 */
export interface Forwarder {
  readonly port: number;
  /** Whether a connection from this port came this way. */
  carries(remotePort: number | undefined): boolean;
  close(): void;
}

/** Opens a way to a loopback port. */
export async function startForwarder(target: number): Promise<Forwarder> {
  const carried = new Set<number | undefined>();
  const server = createServer((near) => {
    const far = connect({ port: target, host: '127.0.0.1' });
    far.once('connect', () => carried.add(far.localPort));
    near.pipe(far).pipe(near);
    // Whichever end goes, and however, the other one goes too: a process that was killed must not
    // seem to wait on.
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
  });
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    carries: (remotePort) => carried.has(remotePort),
    close: () => void server.close(),
  };
}
