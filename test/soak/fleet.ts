import { Pool } from 'undici';
import type { OptionsInput } from '../../src/config/options.ts';
import { bffOptions } from '../support/bff/options.ts';
import { Command, writeConfig } from '../support/bff/built-server.ts';
import { freePort } from '../support/network/ports.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { type Forwarder, startForwarder } from './forwarder.ts';
import type { Backends } from './backends.ts';

/** Connections of the clients to one replica: together they are as many as the calls of a round. */
const connections = 250;

/** One process of the built server, and the clients' connections to it. */
export class Replica {
  readonly port: number;
  readonly pool: Pool;
  readonly #options: OptionsInput;
  readonly #forwarder: Forwarder;
  #server: Command | undefined;
  #linesRead = 0;

  constructor(port: number, options: OptionsInput, forwarder: Forwarder) {
    this.port = port;
    this.#options = options;
    this.#forwarder = forwarder;
    this.pool = new Pool(`http://127.0.0.1:${port}`, { connections });
  }

  get isAlive(): boolean {
    return this.#server !== undefined;
  }

  /** Starts the process and waits until it answers. */
  async start(): Promise<void> {
    this.#server = await startProcess(this.#options);
    this.#linesRead = 0;
  }

  /** Ends the process with SIGKILL: it has no time to tell anybody. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.[Symbol.asyncDispose]();
  }

  /**
   * Asks the process to stop, as a deployment does. It takes nothing new from then on; `gone` says
   * how it ended.
   */
  stop(): { readonly gone: Command['exit'] } {
    const server = this.#server;
    if (!server) throw new Error('It is not running.');
    this.#server = undefined;
    server.signal('SIGTERM');
    return { gone: server.exit };
  }

  /** What it has logged since it was asked last. */
  takeLog(): readonly object[] {
    const lines = this.#server?.lines ?? [];
    const unread = lines.slice(this.#linesRead);
    this.#linesRead = lines.length;
    return unread;
  }

  /** Whether it made the connection to the authorization server that comes from this port. */
  made(remotePort: number | undefined): boolean {
    return this.#forwarder.carries(remotePort);
  }

  async close(): Promise<void> {
    await this.pool.destroy();
    await this.kill();
    this.#forwarder.close();
  }
}

/** Several processes behind one public URL, on ports of their own, with one Redis. */
export class Fleet {
  readonly publicUrl: string;
  readonly replicas: readonly Replica[];

  constructor(publicUrl: string, replicas: readonly Replica[]) {
    this.publicUrl = publicUrl;
    this.replicas = replicas;
  }

  /** Who takes the call with this number; they take turns. */
  at(number: number): Replica {
    const replica = this.replicas[number % this.replicas.length];
    if (!replica) throw new Error('There are no replicas.');
    return replica;
  }

  /** Another one that is alive, as a load balancer finds it. */
  insteadOf(replica: Replica): Replica {
    const other = this.replicas.find((one) => one !== replica && one.isAlive);
    if (!other) throw new Error('No replica is left.');
    return other;
  }

  /** Who made the connection to the authorization server that comes from this port. */
  makerOf(remotePort: number | undefined): Replica {
    const maker = this.replicas.find((replica) => replica.made(remotePort));
    if (!maker) throw new Error(`No replica made the connection from ${remotePort}.`);
    return maker;
  }

  async close(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.close()));
  }
}

/** Starts the built server and waits until it answers, whatever its log says. */
export async function startProcess(options: OptionsInput): Promise<Command> {
  const server = new Command(['--config', writeConfig(options)]);
  const death = server.exit.then(({ code }) => {
    throw new Error(`A replica ended with ${code}:\n${server.stdout}${server.stderr}`);
  });
  death.catch(() => undefined);
  const url = `http://127.0.0.1:${options.server?.port}/bff/user`;
  const isUp = waitFor(async () => (await fetch(url)).status === 403, { timeout: 60_000 });
  await Promise.race([isUp, death]);
  return server;
}

/** Starts so many processes of the built server. */
export async function startFleet(backends: Backends, count: number): Promise<Fleet> {
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
  const publicUrl = `http://localhost:${ports[0]}`;
  backends.authorizationServer.registerClient({
    redirect_uris: [`${publicUrl}/bff/callback`],
    post_logout_redirect_uris: [`${publicUrl}/bff/logout/callback`],
  });
  const replicas = await Promise.all(ports.map((port) => replicaAt(port, publicUrl, backends)));
  await Promise.all(replicas.map((replica) => replica.start()));
  return new Fleet(publicUrl, replicas);
}

async function replicaAt(port: number, publicUrl: string, backends: Backends): Promise<Replica> {
  const { authorizationServer, upstream, redis } = backends;
  const forwarder = await startForwarder(authorizationServer.port);
  const options = bffOptions(
    {
      logLevel: 'warn',
      // One user signs in as often as there are rounds.
      session: { maxPerUser: 0 },
      provider: { internalUrl: `http://127.0.0.1:${forwarder.port}` },
    },
    {
      port,
      managementPort: await freePort(),
      publicUrl,
      authorizationServer,
      upstream,
      redis: undefined,
      tls: undefined,
    },
  );
  return new Replica(port, { ...options, redis: { url: redis.url } }, forwarder);
}
