import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { freePort } from '../network/ports.ts';
import { listen } from '../upstream/upstream.ts';

/** A TCP proxy to a Redis that tests can disturb. */
export interface RedisNetwork {
  readonly url: string;
  readonly port: number;
  /** Stops listening and cuts all connections. */
  refuse(): Promise<void>;
  /** Delays responses by this much, also on existing connections. */
  delayResponses(milliseconds: number): void;
  /**
   * Loses all packets of existing connections, as a firewall that forgets them does. The first
   * connection, the test's own, is spared.
   */
  loseConnections(): void;
  /**
   * Sends new connections to another Redis, as after a change of DNS. Existing connections stay.
   */
  leadTo(port: number): void;
  /** Restores normal operation for new connections. */
  restore(): Promise<void>;
  close(): void;
}

/** Starts a proxy to the Redis on this loopback port. */
export async function startNetwork(redisPort: number): Promise<RedisNetwork> {
  const open = new Set<Socket>();
  let target = redisPort;
  let delay = 0;
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const socket of [near, far])
      open.add(socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket)));
    near
      .pipe(far)
      .pipe(slowly(() => delay))
      .pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  const port = await freePort();
  await listen(server, port);
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    refuse: () =>
      new Promise((refused) => {
        server.close(() => refused());
        cut();
      }),
    delayResponses: (milliseconds) => {
      delay = milliseconds;
    },
    loseConnections: () => {
      for (const socket of [...open].slice(2)) socket.unpipe().pause();
    },
    leadTo: (other) => {
      target = other;
    },
    restore: async () => {
      delay = 0;
      if (!server.listening) await listen(server, port);
    },
    close: () => {
      server.close();
      cut();
    },
  };
}

function slowly(delay: () => number): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, passed) => {
      const milliseconds = delay();
      if (milliseconds === 0) return passed(null, chunk);
      setTimeout(() => passed(null, chunk), milliseconds).unref();
    },
  });
}
