import { type Dispatcher, Pool } from 'undici';
import { ConfigurationError } from '../../config/load.ts';
import type { RouteOptions } from '../../config/options.ts';
import { parseAddress, type UpstreamAddress } from './address.ts';
import { tolerantConnector } from './tolerant-connector.ts';
import { readUpstreamTls, type UpstreamTls } from './tls.ts';

/**
 * Milliseconds a connection may take to come about, where the route's own timeout is not shorter.
 */
const connectTimeout = 10_000;

/**
 * How long a server that takes no connections is left out at first, and at most, in milliseconds.
 */
const shortestPause = 1_000;
const longestPause = 30_000;

/** One server of an upstream, with its connections. */
export class UpstreamServer {
  readonly host: string;
  /** Requests under way. */
  busy = 0;
  /** It is asked last until then, by `performance.now()`. */
  avoidedUntil = 0;
  #failures = 0;

  constructor(
    readonly address: UpstreamAddress,
    readonly dispatcher: Dispatcher,
  ) {
    this.host = address.host;
  }

  /** It took no connection: others are asked for a while, twice as long each time. */
  refused(now = performance.now()): void {
    const pause = Math.min(shortestPause * 2 ** this.#failures, longestPause);
    this.#failures += 1;
    this.avoidedUntil = now + pause;
  }

  /** It is there again. */
  answered(): void {
    this.#failures = 0;
    this.avoidedUntil = 0;
  }
}

/**
 * The servers behind a route, each with connections of its own: what holds for one upstream need
 * not for another.
 */
export class Upstream {
  readonly servers: readonly UpstreamServer[];
  /** Path of the upstream's address, without a trailing slash. */
  readonly basePath: string;
  /** What its connections trust and show. */
  readonly tls: UpstreamTls;
  #turn = 0;

  /** Reads the certificates of the route. Throws what is wrong with them. */
  constructor(options: RouteOptions) {
    const addresses = options.upstream.map(parseAddress);
    const tls = readUpstreamTls(options);
    this.tls = tls;
    this.servers = addresses.map(
      (address) => new UpstreamServer(address, open(address, options, tls)),
    );
    this.basePath = addresses[0]?.basePath ?? '';
  }

  /**
   * The server with the fewest requests under way, of equally busy ones the next in turn. One that
   * refused connections is tried again when its pause is over, by one request, or when all have
   * refused. Absent: all were `tried`.
   */
  choose(tried: readonly UpstreamServer[] = [], at?: number): UpstreamServer | undefined {
    const { servers } = this;
    const [only] = servers;
    if (servers.length === 1) return tried.length > 0 ? undefined : only;
    const now = at ?? performance.now();
    let best: UpstreamServer | undefined;
    this.#turn = (this.#turn + 1) % servers.length;
    for (let step = 0; step < servers.length; step += 1) {
      const server = servers[(this.#turn + step) % servers.length];
      if (server && !tried.includes(server) && (!best || isBetter(server, best, now)))
        best = server;
    }
    // Others wait for what becomes of this one.
    if (best && best.avoidedUntil > 0) best.avoidedUntil = now + shortestPause;
    return best;
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map(({ dispatcher }) => dispatcher.close()));
  }
}

/**
 * The upstream of the route at this place of the configuration. Throws `ConfigurationError` for
 * certificates that cannot be used.
 */
export function openUpstream(options: RouteOptions, index: number): Upstream {
  try {
    return new Upstream(options);
  } catch (error) {
    const message = `ca, clientCert and clientKey cannot be used together (${(error as Error).message}); give PEM files, and the key that belongs to the certificate`;
    throw new ConfigurationError([{ path: ['routes', index], message }]);
  }
}

function isBetter(one: UpstreamServer, other: UpstreamServer, now: number): boolean {
  const [isAvoided, otherIs] = [one.avoidedUntil > now, other.avoidedUntil > now];
  if (isAvoided !== otherIs) return otherIs;
  return isAvoided ? one.avoidedUntil < other.avoidedUntil : one.busy < other.busy;
}

function open(
  { origin, socketPath }: UpstreamAddress,
  options: RouteOptions,
  tls: UpstreamTls,
): Pool {
  const { http2, timeout } = options;
  const isTls = origin.startsWith('https:');
  const connect = {
    ...tls,
    ...(socketPath && { socketPath }),
    timeout: Math.min(timeout, connectTimeout),
    allowH2: http2,
    preferH2: http2,
    // Without TLS there is nobody to ask whether it speaks HTTP/2 (RFC 9113 §3.3).
    useH2c: http2 && !isTls,
  };
  return new Pool(origin, {
    connect: tolerantConnector(connect),
    allowH2: http2,
    ...(http2 && !isTls && { useH2c: true }),
  });
}
