import { readFileSync } from 'node:fs';
import { createClient, type RedisClientOptions } from 'redis';
import type { RedisOptions } from '../../../config/options.ts';
import { withDeadline } from '../../../http/deadline.ts';

/**
 * Timeout of connection attempts and commands, in milliseconds. A Redis that exceeds it counts as
 * down.
 */
export const timeLimit = 1500;

/** Host and port of a server. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The settings for a connection to one server. */
export interface Server {
  readonly address: Address;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: number | undefined;
  readonly tls?: RedisOptions['tls'];
}

/** A client with one connection to one server. It does not reconnect. */
export type RedisClient = Awaited<ReturnType<typeof openClient>>;

/** Returns the server that `redis.url` names. */
export function standaloneServer(options: RedisOptions): Server {
  const url = new URL(options.url ?? '');
  const isEncrypted = url.protocol.toLowerCase() === 'rediss:';
  return {
    address: addressOf(`${url.hostname}:${url.port || 6379}`),
    username: options.username ?? (decodeURIComponent(url.username) || undefined),
    password: options.password ?? (decodeURIComponent(url.password) || undefined),
    database: options.database ?? Number(url.pathname.slice(1)),
    tls: options.tls ?? (isEncrypted ? {} : undefined),
  };
}

/** Describes a data server of a Sentinel or cluster setup, whose address is discovered. */
export function dataServer(
  { username, password, database, tls }: RedisOptions,
  address: Address,
): Server {
  return { address, username, password, database, tls };
}

/** Parses `host:port`. An IPv6 address must be in brackets. */
export function addressOf(text: string): Address {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(text.slice(colon + 1)) };
}

/** Formats an address as `host:port`, for messages and map keys. */
export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Connects and authenticates once. The client does not reconnect. A command without a connection
 * fails instead of being queued, because an HTTP request waits for it. Throws the Redis client's
 * error.
 */
export async function openClient(server: Server, timeout = timeLimit) {
  const client = createClient(clientOptions(server, timeout));
  let isAbandoned = false;
  // `connect` throws the same error. Without a listener it would also end the process.
  client.on('error', () => {});
  // A client that is destroyed while it connects still connects, and keeps the process alive.
  client.on('connect', () => isAbandoned && client.destroy());
  client.on('ready', () => isAbandoned && client.destroy());
  try {
    return await withTimeout(client.connect(), timeout);
  } catch (error) {
    isAbandoned = true;
    client.destroy();
    throw error;
  }
}

/**
 * Connects like `openClient` to a server that must be a master. The client emits `invalidate`
 * events for keys that begin with `watchedPrefix` when other clients change them. Throws for
 * replicas, so that stale data is never read, and for Sentinels.
 */
export async function openMaster(
  server: Server,
  watchedPrefix: string,
  timeout = timeLimit,
): Promise<RedisClient> {
  const client = await openClient(server, timeout);
  try {
    const { role, mode } = await withTimeout(client.hello(), timeout);
    const where = formatAddress(server.address);
    if (mode === 'sentinel')
      throw new Error(`${where} is a Sentinel; name it in redis.sentinel.nodes`);
    if (role !== 'master') throw new Error(`READONLY ${where} is a replica`);
    await withTimeout(trackChanges(client, watchedPrefix), timeout);
    return client;
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/**
 * Replaces the tracking mode that the library starts with. In broadcast mode Redis keeps no table
 * of clients and keys. `NOLOOP` omits changes made over this connection.
 */
async function trackChanges(client: RedisClient, prefix: string): Promise<void> {
  await Promise.all([
    client.sendCommand(['CLIENT', 'TRACKING', 'OFF']),
    client.sendCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST', 'NOLOOP', 'PREFIX', prefix]),
  ]);
}

/** Waits for a promise. Throws after the given time, but does not cancel the work. */
export async function withTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  return withDeadline(promise, milliseconds, () => {
    throw timeoutError(milliseconds);
  });
}

/** Creates the error for a Redis that does not respond in time. */
export function timeoutError(milliseconds: number): Error {
  return new Error(`Redis did not answer within ${milliseconds} ms`);
}

function clientOptions(server: Server, connectTimeout: number): RedisClientOptions {
  const { address, username, password, database, tls } = server;
  return {
    name: 'pixie-bff',
    ...(password !== undefined && { username: username ?? 'default', password }),
    ...(database ? { database } : {}),
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    emitInvalidate: true,
    socket: { ...address, connectTimeout, reconnectStrategy: false, ...encryption(tls) },
  };
}

/** Reads the files for each connection, because certificates are renewed while the process runs. */
function encryption(tls: Server['tls']) {
  if (!tls) return {};
  const { ca, cert, key, servername } = tls;
  return {
    tls: true as const,
    ...(ca && { ca: readFileSync(ca) }),
    ...(cert && { cert: readFileSync(cert) }),
    ...(key && { key: readFileSync(key) }),
    ...(servername && { servername }),
  };
}
