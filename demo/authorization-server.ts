import { createServer, type RequestListener } from 'node:http';
import type { JWK } from 'jose';
import { serveAssets } from './authorization-server/assets.ts';
import { serveInteractions } from './authorization-server/interactions.ts';
import { Journeys } from './authorization-server/journeys.ts';
import { serveProtectedResources } from './authorization-server/protected-resources.ts';
import {
  createProvider,
  createSigningKey,
  type DemoClient,
} from './authorization-server/provider.ts';
import { recordJourneys } from './authorization-server/record-journeys.ts';
import { demoAudience } from './defaults.ts';
import { close, listen, type RunningServer } from './listen.ts';

/** How to start the demo's authorization server. */
export interface AuthorizationServerOptions {
  /** `0` takes a free port. */
  readonly port: number;
  /** The address to listen on. Absent: loopback only. */
  readonly host?: string;
  /** The name browsers and tokens know it by. Absent: `http://localhost:<port>`. */
  readonly issuer?: string;
  readonly clients: readonly DemoClient[];
  /** Whom access tokens are for, whatever `resource` a client sends. Absent: the demo's API. */
  readonly audience?: string;
  /** How long an access token lives. Absent: 15 minutes. */
  readonly accessTokenSeconds?: number;
}

/**
 * Starts an authorization server with two people who can sign in, a consent page, PKCE required of
 * everyone and a record of every sign-in. All it knows is in memory and its own; several may run in
 * one process.
 */
export async function startAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<RunningServer & { readonly issuer: string }> {
  const signingKey = await createSigningKey();
  const server = createServer();
  const port = await listen(server, options.port, options.host ?? '127.0.0.1');
  const url = `http://localhost:${port}`;
  const issuer = options.issuer ?? url;
  server.on('request', createListener(options, issuer, signingKey));
  return { port, url, issuer, close: () => close(server) };
}

function createListener(
  { clients, audience = demoAudience, accessTokenSeconds = 15 * 60 }: AuthorizationServerOptions,
  issuer: string,
  signingKey: JWK,
): RequestListener {
  const journeys = new Journeys();
  const settings = { issuer, clients, audience, accessTokenSeconds, signingKey, journeys };
  const provider = createProvider(settings);
  recordJourneys(provider, journeys);
  serveAssets(provider);
  serveInteractions(provider, journeys);
  const publicKey = publicPart(signingKey);
  serveProtectedResources(provider, { issuer, audience, publicKey, journeys });
  const serveProvider = provider.callback();
  const { host } = new URL(issuer);
  return (request, response) => {
    // oidc-provider builds its addresses from the Host header; ours come from the issuer alone.
    request.headers.host = host;
    void serveProvider(request, response);
  };
}

function publicPart({ kty, n, e, alg, use, kid }: JWK): JWK {
  return { kty, n, e, alg, use, kid } as JWK;
}
