import { createServer } from 'node:http';
import { request } from 'undici';
import { startApi } from '../../demo/api.ts';
import { startAuthorizationServer } from '../../demo/authorization-server.ts';
import { demoClient } from '../../demo/defaults.ts';
import { createApp } from '../../src/server/create-app.ts';
import { loadOptions } from '../../src/config/load.ts';
import { LogCapture } from '../support/bff/logs.ts';
import { freePort } from '../support/network/ports.ts';
import { testRedis } from '../support/redis/redis.ts';
import { closeServer, listen } from '../support/upstream/upstream.ts';

/**
 * The demo in this process: the same servers and the same `demo/bff.yaml` as `npm run demo`, on
 * ports of its own.
 */
export interface DemoServers {
  readonly url: string;
  /**
   * What the BFF and the authorization server said to each other so far: verifiers, tokens, the
   * client's secret.
   */
  readonly secrets: ReadonlySet<string>;
  close(): Promise<void>;
}

/** Starts the demo between a real Redis and a wire tap on the back channel. */
export async function startDemoServers(): Promise<DemoServers> {
  const [port, authPort, managementPort] = [await freePort(), await freePort(), await freePort()];
  const url = `http://localhost:${port}`;
  const clientSecret = 'demo-client-secret-of-the-browser-test';
  const authorizationServer = await startAuthorizationServer({
    port: authPort,
    clients: [demoClient(url, clientSecret)],
  });
  const api = await startApi({ port: 0, issuer: authorizationServer.issuer });
  const tap = await startTap(authorizationServer.url);
  const redis = await testRedis();
  const { options } = loadOptions({
    file: 'demo/bff.yaml',
    env: {
      BFF_PUBLIC_URL: url,
      BFF_SERVER_PORT: String(port),
      BFF_MANAGEMENT_PORT: String(managementPort),
      BFF_SESSION_SECRET: 'gR7vXq2LmZ9tBw4KcY8nHd3JsPf6TaUe1oVi5',
      BFF_REDIS_URL: redis.url,
      BFF_REDIS_KEY_PREFIX: redis.keyPrefix,
      DEMO_ISSUER: authorizationServer.issuer,
      DEMO_AUTH_URL: tap.url,
      DEMO_API_URL: api.url,
      DEMO_CLIENT_SECRET: clientSecret,
    },
  });
  const app = await createApp(options, { logStream: new LogCapture().stream });
  await app.listen(port, '127.0.0.1');
  tap.secrets.add(clientSecret);
  return {
    url,
    secrets: tap.secrets,
    close: async () => {
      await app.close();
      await Promise.all([api.close(), authorizationServer.close(), tap.close(), redis.close()]);
    },
  };
}

/** A relay that learns what nobody but the two servers may ever see. */
async function startTap(target: string) {
  const secrets = new Set<string>();
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { connection: _, 'transfer-encoding': __, ...headers } = incoming.headers;
    const response = await request(target + incoming.url, {
      method: incoming.method as 'GET',
      headers,
      body: body.length > 0 ? body : null,
    });
    const text = await response.body.text();
    learn(secrets, new URLSearchParams(body.toString()), ['code_verifier', 'refresh_token']);
    if (incoming.url === '/token') {
      const tokens = new URLSearchParams(JSON.parse(text) as Record<string, string>);
      learn(secrets, tokens, ['access_token', 'refresh_token', 'id_token']);
    }
    delete response.headers['transfer-encoding'];
    outgoing.writeHead(response.statusCode, response.headers).end(text);
  });
  const { port } = await listen(server, 0);
  return { url: `http://127.0.0.1:${port}`, secrets, close: () => closeServer(server) };
}

function learn(secrets: Set<string>, values: URLSearchParams, names: readonly string[]): void {
  for (const name of names) for (const value of values.getAll(name)) secrets.add(value);
}
