/**
 * `npm run demo`: the authorization server, the API, a Redis if this machine has one, and the BFF
 * itself, each where the environment says (`DEMO_PORT`, `DEMO_AUTH_PORT`, `DEMO_API_PORT`,
 * `DEMO_MANAGEMENT_PORT`, `REDIS_URL`), on loopback only. `--verbose` shows every log line of the
 * BFF.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { startApi } from './api.ts';
import { startAuthorizationServer } from './authorization-server.ts';
import { demoClient } from './defaults.ts';
import { banner } from './run/banner.ts';
import { startBff } from './run/bff-process.ts';
import { DemoError } from './run/demo-error.ts';
import { type DemoPorts, readPorts, requireFree } from './run/ports.ts';
import { findSessionStore } from './run/session-store.ts';
import { onRequestToEnd } from './run/signals.ts';

/** What has been started, in order; the last one is ended first. */
const running: { close(): Promise<void> }[] = [];
let isEnding = false;

onRequestToEnd(() => end(0));
await start().catch(async (error: unknown) => {
  console.error(error instanceof DemoError ? `\n${error.message}\n` : error);
  await end(1);
});

async function start(): Promise<void> {
  const { values } = parseArgs({ options: { verbose: { type: 'boolean', default: false } } });
  const ports = readPorts(process.env);
  await requireFree(ports);
  const sessions = started(await findSessionStore(process.env));
  const clientSecret = randomBytes(32).toString('base64url');
  const publicUrl = `http://localhost:${ports.bff.port}`;
  const server = started(await startServer(ports, publicUrl, clientSecret));
  const api = started(await startApi({ port: ports.api.port, issuer: server.issuer }));
  const bff = started(
    await startBff(
      {
        BFF_PUBLIC_URL: publicUrl,
        BFF_SERVER_HOST: '127.0.0.1',
        BFF_SERVER_PORT: String(ports.bff.port),
        BFF_MANAGEMENT_PORT: String(ports.management.port),
        BFF_SESSION_SECRET: randomBytes(48).toString('base64url'),
        DEMO_ISSUER: server.issuer,
        DEMO_AUTH_URL: server.url,
        DEMO_API_URL: api.url,
        DEMO_CLIENT_SECRET: clientSecret,
        ...(sessions.url && { BFF_REDIS_URL: sessions.url }),
      },
      values.verbose,
    ),
  );
  console.log(
    banner({
      bff: publicUrl,
      management: `http://localhost:${ports.management.port}`,
      authorizationServer: server.url,
      api: api.url,
      sessions: sessions.description,
    }),
  );
  void bff.ended.then(endWithBff);
}

function startServer({ authorizationServer }: DemoPorts, publicUrl: string, clientSecret: string) {
  return startAuthorizationServer({
    port: authorizationServer.port,
    clients: [demoClient(publicUrl, clientSecret)],
  });
}

function started<Party extends { close(): Promise<void> }>(server: Party): Party {
  running.push(server);
  return server;
}

async function endWithBff(lastWords: string): Promise<void> {
  if (isEnding) return;
  console.error(`\nThe BFF has ended, and so does the demo.\n${lastWords}\n`);
  await end(1);
}

/** Ends all parties. Servers go at once, so that the BFF waits for none of their answers. */
async function end(code: number): Promise<never> {
  isEnding = true;
  await Promise.all(running.toReversed().map((server) => server.close()));
  process.exit(code);
}
