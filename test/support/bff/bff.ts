import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApp } from '../../../src/server/create-app.ts';
import { parseOptions } from '../../../src/config/load.ts';
import type { Options } from '../../../src/config/options.ts';
import {
  AuthorizationServer,
  startAuthorizationServer,
} from '../authorization-server/authorization-server.ts';
import { bffOptions, type BffOverrides, type BffEnvironment } from './options.ts';
import { TestBrowser, type BrowserOptions, type Page } from '../browser/browser.ts';
import { LogCapture } from './logs.ts';
import { freePort } from '../network/ports.ts';
import { testRedis, type TestRedis } from '../redis/redis.ts';
import { testTls } from '../network/tls.ts';
import { startUpstream, type Upstream } from '../upstream/upstream.ts';

export type { BffOverrides } from './options.ts';

/**
 * Starts the real BFF in this process with everything around it. `await using bff = await
 * startBff()` closes it all.
 */
export async function startBff(overrides: BffOverrides = {}): Promise<TestBff> {
  const environment = await startEnvironment(overrides);
  try {
    const options = parseOptions(bffOptions(overrides, environment));
    registerAt(environment.authorizationServer, options);
    const bff = new TestBff({ ...environment, options, overrides });
    await bff.start();
    return bff;
  } catch (error) {
    await clear(environment, overrides);
    throw error;
  }
}

interface Parts extends BffEnvironment {
  readonly options: Options;
  readonly overrides: BffOverrides;
}

/** A running BFF with its authorization server, its upstream and its own key prefix in Redis. */
export class TestBff {
  /** The public URL, without a slash at its end. */
  readonly url: string;
  readonly port: number;
  readonly managementUrl: string;
  readonly options: Options;
  readonly authorizationServer: AuthorizationServer;
  readonly upstream: Upstream;
  readonly logs = new LogCapture();
  readonly #parts: Parts;
  readonly #replicas: TestBff[] = [];
  #app: NestExpressApplication | undefined;

  constructor(parts: Parts) {
    const { options, authorizationServer, upstream } = parts;
    this.#parts = parts;
    this.url = new URL(options.publicUrl).origin;
    this.port = options.server.port;
    this.managementUrl = `http://127.0.0.1:${options.management.port}`;
    this.options = options;
    this.authorizationServer = authorizationServer;
    this.upstream = upstream;
  }

  /** Its keys in Redis. Throws with `store: 'memory'`, which has none. */
  get redis(): TestRedis {
    const { redis } = this.#parts;
    if (!redis) throw new Error('This BFF was started without Redis.');
    return redis;
  }

  /** The certificate authority behind `https: true`, in PEM. */
  get ca(): string | undefined {
    return this.#parts.tls?.ca;
  }

  /** The Nest application, for what cannot be reached over HTTP. */
  get app(): NestExpressApplication {
    if (!this.#app) throw new Error('The BFF is not running.');
    return this.#app;
  }

  /** A new browser that shows this BFF's origin and reaches it on this replica's port. */
  browser(options: Partial<BrowserOptions> = {}): TestBrowser {
    const { clock } = this.#parts.overrides;
    const now = clock && { now: clock };
    const browser = new TestBrowser({ origin: this.url, ca: this.ca, ...now, ...options });
    return browser.via(this.port);
  }

  /**
   * A browser in which this person has just signed in; throws, with the page it ended on, when that
   * fails.
   */
  async signedIn(person = 'alice', browser = this.browser()): Promise<TestBrowser> {
    const page = await this.signIn(browser, { login_hint: person });
    const name = this.options.session.cookieName;
    const hasSession = browser.cookies().some((cookie) => cookie.name.endsWith(name));
    if (!hasSession)
      throw new Error(`Nobody is signed in: ${page.status} ${page.url}\n${page.body}`);
    return browser;
  }

  /**
   * Goes through a sign-in with these parameters of the login endpoint, and returns the last page.
   */
  signIn(browser: TestBrowser, parameters: Record<string, string> = {}): Promise<Page> {
    const query = new URLSearchParams(parameters);
    return browser.navigate(`${this.url}${this.options.basePath}/login?${query}`);
  }

  /**
   * Starts another BFF with the same configuration and backends, on other ports. It closes with
   * this one.
   */
  async replica(): Promise<TestBff> {
    const [port, managementPort] = [await freePort(), await freePort()];
    const { options } = this.#parts;
    const replica = new TestBff({
      ...this.#parts,
      options: {
        ...options,
        server: { ...options.server, port },
        management: { ...options.management, port: managementPort },
      },
    });
    this.#replicas.push(replica);
    await replica.start();
    return replica;
  }

  /**
   * Starts to listen. `startBff` and `replica` call it; after `stop` it stands for a restarted
   * process at the same address.
   */
  async start(): Promise<void> {
    const { clock } = this.#parts.overrides;
    const { port, host } = this.options.server;
    const logStream = this.logs.stream;
    this.#app = await createApp(this.options, { logStream, ...(clock && { clock }) });
    try {
      await this.#app.listen(port, host);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Stops this BFF alone; connections are cut. */
  async stop(): Promise<void> {
    const app = this.#app;
    this.#app = undefined;
    app?.getHttpServer().closeAllConnections();
    await app?.close();
  }

  /** Stops it, its replicas, and the backends that it started itself. */
  async close(): Promise<void> {
    await Promise.all([this.stop(), ...this.#replicas.map((replica) => replica.stop())]);
    await clear(this.#parts, this.#parts.overrides);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function startEnvironment(overrides: BffOverrides): Promise<BffEnvironment> {
  const { authorizationServer, upstream, https, host = 'localhost', store, redis } = overrides;
  const port = await freePort();
  return {
    port,
    managementPort: await freePort(),
    publicUrl: `${https ? 'https' : 'http'}://${host}:${port}`,
    authorizationServer:
      authorizationServer instanceof AuthorizationServer
        ? authorizationServer
        : await startAuthorizationServer(authorizationServer),
    upstream: typeof upstream === 'object' ? upstream : await startUpstream(upstream),
    redis: store === 'memory' ? undefined : await testRedis(redis?.url),
    tls: https ? testTls() : undefined,
  };
}

async function clear(environment: BffEnvironment, overrides: BffOverrides): Promise<void> {
  const { redis, upstream, authorizationServer } = environment;
  if (overrides.upstream !== upstream) await upstream.close();
  if (overrides.authorizationServer !== authorizationServer) await authorizationServer.close();
  await redis?.close();
}

/** Adds the addresses of a BFF to those of its client at the authorization server. */
function registerAt(server: AuthorizationServer, options: Options): void {
  const base = `${new URL(options.publicUrl).origin}${options.basePath}`;
  const callbacks = options.providers.map(({ id }) => `${base}/callback/${id}`);
  const known = server.client;
  server.registerClient({
    redirect_uris: [...(known.redirect_uris ?? []), `${base}/callback`, ...callbacks],
    post_logout_redirect_uris: [
      ...(known.post_logout_redirect_uris ?? []),
      `${base}/logout/callback`,
    ],
    backchannel_logout_uri: `${base}/backchannel`,
    backchannel_logout_session_required: true,
  });
}
