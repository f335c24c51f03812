import { setTimeout as delay } from 'node:timers/promises';
import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { createClient } from 'redis';
import { Pool } from 'undici';
import { respondWith, type Handler } from '../upstream/responses.ts';
import {
  type Script,
  ScriptedAuthorizationServer,
} from '../authorization-server/scripted-authorization-server.ts';
import { listen, startUpstream, type Upstream } from '../upstream/upstream.ts';

/** One response, read to its end. */
export interface ReplicaResponse {
  readonly status: number;
  readonly location: string | undefined;
  /** `name=value` of every cookie that was set; one taken away has no value. */
  readonly cookies: readonly string[];
  readonly body: string;
}

/** A request of a client. */
export interface ReplicaRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly cookie?: string | undefined;
  readonly form?: URLSearchParams;
  readonly signal?: AbortSignal;
}

/** A client's connections to one replica. */
export class Replica {
  readonly #pool: Pool;

  constructor(port: number) {
    this.#pool = new Pool(`http://127.0.0.1:${port}`, { connections: 16 });
  }

  /** Sends a request as a script of the page does, without following redirects. */
  async send({
    method = 'GET',
    path,
    cookie,
    form,
    signal,
  }: ReplicaRequest): Promise<ReplicaResponse> {
    const { statusCode, headers, body } = await this.#pool.request({
      method,
      path,
      headers: {
        'x-csrf': '1',
        accept: 'application/json',
        ...(cookie && { cookie }),
        ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      body: form ? String(form) : null,
      signal: signal ?? null,
    });
    const { location, 'set-cookie': cookies = [] } = headers;
    return {
      status: statusCode,
      location: typeof location === 'string' ? location : undefined,
      cookies: [cookies].flat().map((line) => line.split(';', 1)[0] ?? ''),
      body: await body.text(),
    };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** What Redis holds of sessions. */
export interface Kept {
  /** The ids of all sessions. */
  readonly sessions: readonly string[];
  /** The ids in the index, as often as they occur there. */
  readonly listed: readonly string[];
  /** Locks and everything else that should be gone when nothing is under way. */
  readonly locks: readonly string[];
}

/** A Redis that a test may inspect and empty. */
export class RedisView {
  readonly #client: ReturnType<typeof createClient>;
  readonly #prefix: string;

  constructor(url: string, prefix: string) {
    this.#client = createClient({ url });
    this.#prefix = prefix;
  }

  async open(): Promise<void> {
    await this.#client.connect();
  }

  async look(): Promise<Kept> {
    const all = await this.#client.keys(`${this.#prefix}*`);
    const of = (kind: string) => {
      const start = this.#prefix + kind;
      return all.filter((key) => key.startsWith(start)).map((key) => key.slice(start.length));
    };
    const records = of('session:');
    const lists = of('index:').filter((name) => !name.endsWith(':closed'));
    const members = lists.map((name) => this.#client.zRange(`${this.#prefix}index:${name}`, 0, -1));
    return {
      sessions: records.filter((name) => name.endsWith('}')).map((name) => name.slice(1, -1)),
      listed: (await Promise.all(members)).flat(),
      locks: records.filter((name) => !name.endsWith('}')),
    };
  }

  async wipe(): Promise<void> {
    await this.#client.flushDb();
  }

  close(): void {
    this.#client.destroy();
  }
}

/** Starts a TCP proxy to a Redis that delays every packet of commands by `pause`. */
export async function startBumpyWay(
  redisPort: number,
  pause: () => Promise<unknown>,
): Promise<{ readonly port: number; close(): void }> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(redisPort, '127.0.0.1');
    for (const socket of [near.setNoDelay(), far.setNoDelay()]) {
      open.add(socket.on('error', () => socket.destroy()));
      socket.on('close', () => void (open.delete(socket), near.destroy(), far.destroy()));
    }
    const bumps = new Transform({
      transform: (chunk, _encoding, passed) => void pause().then(() => passed(null, chunk)),
    });
    near.pipe(bumps).pipe(far).pipe(near);
  });
  const { port } = await listen(server, 0);
  return {
    port,
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** The services around the replicas: the authorization server, the API, and the delays of both. */
export class ExternalServices implements Script {
  #server: ScriptedAuthorizationServer | undefined;
  #upstream: Upstream | undefined;
  #ticks = 0;
  #random = () => 0;
  #expired: readonly boolean[] = [];
  readonly #issued = new Map<string, number>();
  readonly #refused = new Map<string, string>();

  /** Starts the authorization server and the API. */
  static async start(): Promise<ExternalServices> {
    const services = new ExternalServices();
    services.#server = await ScriptedAuthorizationServer.start(services);
    services.#upstream = await startUpstream(services.#api);
    return services;
  }

  get server(): ScriptedAuthorizationServer {
    if (!this.#server) throw new Error('The authorization server has not been started.');
    return this.#server;
  }

  get upstream(): Upstream {
    if (!this.#upstream) throw new Error('The API has not been started.');
    return this.#upstream;
  }

  async close(): Promise<void> {
    await Promise.all([this.server.close(), this.upstream.close()]);
  }

  /** A larger number each time. */
  tick(): number {
    this.#ticks += 1;
    return this.#ticks;
  }

  /** Mostly no time at all, now and then some milliseconds. */
  async pause(): Promise<void> {
    const milliseconds = Math.floor(this.#random() * 12) - 7;
    if (milliseconds > 0) await delay(milliseconds);
  }

  /** A number from 0 to below `count`. */
  choose(count: number): number {
    return Math.floor(this.#random() * count);
  }

  /**
   * The lifetime of a subject's next access token, in seconds; with 0 it has expired when it is
   * issued.
   */
  lifetime(sub: string): number {
    const number = this.#issued.get(sub) ?? 0;
    this.#issued.set(sub, number + 1);
    return this.#expired[number % this.#expired.length] ? 0 : 3600;
  }

  /** Begins a run. */
  begin(pace: number, expired: readonly boolean[]): void {
    this.server.forget();
    this.upstream.requests.length = 0;
    this.#issued.clear();
    this.#refused.clear();
    this.#expired = expired;
    this.#random = pace === 0 ? () => 0 : randomFrom(pace);
  }

  /**
   * The API: says whose token it got. `as` is whose it should be; a `refuse` makes it refuse the
   * first token it gets.
   */
  readonly #api: Handler = (request, response, recorded) => {
    const reply = (handler: Handler) => handler(request, response, recorded);
    const query = new URL(request.url ?? '', 'http://api').searchParams;
    const token = (request.headers.authorization ?? '').replace('Bearer ', '');
    const grant = this.server.grantOf(token);
    const refusal = respondWith(
      401,
      { from: 'api' },
      { 'www-authenticate': 'Bearer error="invalid_token"' },
    );
    if (grant?.sub !== query.get('as')) {
      this.#complain(`a call of ${query.get('as')} came with a token of ${grant?.sub}`);
    }
    if (!grant || grant.isRevoked) return reply(refusal);
    const refuse = query.get('refuse');
    if (refuse && !this.#refused.has(refuse)) {
      this.#refused.set(refuse, token);
      return reply(refusal);
    }
    return reply(respondWith(200, { sub: grant.sub }));
  };

  #complain(what: string): void {
    this.server.violations.push(what);
  }
}

/** Numbers from 0 to below 1 that depend on nothing but the seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
