import { readFileSync } from 'node:fs';
import { createClient, type RedisClientOptions } from 'redis';
import type { RedisOptions } from '../../../config/options.ts';

/**
 * Milliseconds. Redis answers in well under one; a Redis that has not after this long counts as
 * down.
 */
export const timeLimit = 1500;

/** Where a server is. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Everything about one server that a connection needs. */
export interface Server {
  readonly address: Address;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: number | undefined;
  readonly tls?: RedisOptions['tls'];
}

/** A connection to one server, which ends for good when it is lost. */
export type RedisClient = Awaited<ReturnType<typeof openClient>>;

/** The one server of `redis.url`. */
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

/** A server that holds data in a topology of several, at an address that is learned from others. */
export function dataServer(
  { username, password, database, tls }: RedisOptions,
  address: Address,
): Server {
  return { address, username, password, database, tls };
}

/** Reads `host:port`; an IPv6 address is in brackets. */
export function addressOf(text: string): Address {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(text.slice(colon + 1)) };
}

/** `host:port`, for people and as a key. */
export function spellAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Connects and signs in, once: it does not reconnect, and a command for which there is no
 * connection fails instead of waiting in a queue, because a request waits for it. Throws what the
 * client throws.
 */
export async function openClient(server: Server, within = timeLimit) {
  const client = createClient(clientOptions(server, within));
  let isAbandoned = false;
  // `connect` throws the same error; without a listener it would end the process as well.
  client.on('error', () => {});
  // A client that was destroyed while it connected goes on connecting, and would keep the process
  // alive.
  client.on('connect', () => isAbandoned && client.destroy());
  client.on('ready', () => isAbandoned && client.destroy());
  try {
    return await inTime(client.connect(), within);
  } catch (error) {
    isAbandoned = true;
    client.destroy();
    throw error;
  }
}

/**
 * The same for a server that must take writes, and that tells by `invalidate` events which keys
 * that begin with `watched` others change. A replica is refused, so that nothing is ever read from
 * one.
 */
export async function openMaster(
  server: Server,
  watched: string,
  within = timeLimit,
): Promise<RedisClient> {
  const client = await openClient(server, within);
  try {
    const { role, mode } = await inTime(client.hello(), within);
    const where = spellAddress(server.address);
    if (mode === 'sentinel')
      throw new Error(`${where} is a Sentinel; name it in redis.sentinel.nodes`);
    if (role !== 'master') throw new Error(`READONLY ${where} is a replica`);
    await inTime(trackChanges(client, watched), within);
    return client;
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/**
 * Redis then keeps no table of who has read what, as it does in the mode that the library begins
 * with, and no news comes of what is written here.
 */
async function trackChanges(client: RedisClient, prefix: string): Promise<void> {
  await Promise.all([
    client.sendCommand(['CLIENT', 'TRACKING', 'OFF']),
    client.sendCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST', 'NOLOOP', 'PREFIX', prefix]),
  ]);
}

/**
 * The promise, or an error when it takes longer. What is late cannot be taken back; who waits for
 * it can go on.
 */
export async function inTime<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLate(milliseconds)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a Redis that hangs fails with. */
export function tooLate(milliseconds: number): Error {
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

/** The files are read anew for each connection, because certificates are renewed while we run. */
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
