import { type Dispatcher, Pool } from 'undici';
import { unusableCertificates } from '../../config/load.ts';
import type { RouteOptions } from '../../config/options.ts';
import { parseAddress, type UpstreamAddress } from './address.ts';
import { tolerantConnector } from './tolerant-connector.ts';
import { readUpstreamTls, type UpstreamTls } from './tls.ts';

/** Maximum time to connect, in milliseconds. A shorter timeout of the route takes precedence. */
const connectTimeout = 10_000;

/** The initial and the maximum backoff after a refused connection, in milliseconds. */
const initialBackoff = 1_000;
const maxBackoff = 30_000;

/** One server of an upstream and its connection pool. */
export class UpstreamServer {
  readonly host: string;
  /** Number of active requests. */
  busy = 0;
  /** The server is avoided until this time, by `performance.now()`. */
  avoidedUntil = 0;
  #failures = 0;

  constructor(
    readonly address: UpstreamAddress,
    readonly dispatcher: Dispatcher,
  ) {
    this.host = address.host;
  }

  /** Records a failed connection attempt and starts a backoff, which doubles with each failure. */
  recordRefusal(now = performance.now()): void {
    const backoff = Math.min(initialBackoff * 2 ** this.#failures, maxBackoff);
    this.#failures += 1;
    this.avoidedUntil = now + backoff;
  }

  /** Records a response, which ends the backoff. */
  recordResponse(): void {
    this.#failures = 0;
    this.avoidedUntil = 0;
  }
}

/**
 * The servers of one route. Each route has its own connections, because TLS options and timeouts
 * differ between routes.
 */
export class Upstream {
  readonly servers: readonly UpstreamServer[];
  /** Path of the upstream's address, without a trailing slash. */
  readonly basePath: string;
  /** TLS options of the connections. */
  readonly tls: UpstreamTls;
  #turn = 0;

  /** Reads the certificate files of the route. Throws if they cannot be used. */
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
   * Chooses the server with the fewest active requests; equally busy servers take turns. A server
   * in backoff is chosen only if all others are too. After the backoff, one request tries it while
   * others still avoid it.
   * Returns `undefined` if all servers are in `tried`.
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
    // Other requests avoid this server until the outcome is known.
    if (best && best.avoidedUntil > 0) best.avoidedUntil = now + initialBackoff;
    return best;
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map(({ dispatcher }) => dispatcher.close()));
  }
}

/**
 * Creates the upstream of a route. `index` is its position in the configuration. Throws
 * `ConfigurationError` for certificates that cannot be used.
 */
export function openUpstream(options: RouteOptions, index: number): Upstream {
  try {
    return new Upstream(options);
  } catch (error) {
    throw unusableCertificates(['routes', index], (error as Error).message);
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
    // Without TLS there is no negotiation, so HTTP/2 is assumed (RFC 9113 §3.3).
    useH2c: http2 && !isTls,
  };
  return new Pool(origin, {
    connect: tolerantConnector(connect),
    allowH2: http2,
    ...(http2 && !isTls && { useH2c: true }),
  });
}
