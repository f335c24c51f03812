import type { IncomingHttpHeaders } from 'node:http';
import { respondWith, type Handler } from '../support/upstream/responses.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { RecordedRequest } from '../support/upstream/recorder.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';

/**
 * What the replicas stand on: a Redis, and in this process an authorization server and an API that
 * asks it about tokens.
 */
export interface Backends {
  readonly authorizationServer: AuthorizationServer;
  readonly upstream: Upstream;
  readonly redis: RedisServer;
  /** May be changed: of access tokens issued from now on. */
  lifetimeSeconds: number;
  /**
   * What the authorization server refused at its token endpoint, a refresh token that was used
   * twice for example.
   */
  readonly refusals: string[];
}

/**
 * Starts Redis, the authorization server and the API. Refresh tokens rotate; one that is used twice
 * ends its grant.
 */
export async function startBackends(): Promise<Backends> {
  const refusals: string[] = [];
  const lifetime = { seconds: 60 };
  const authorizationServer = await startAuthorizationServer({
    configuration: (usual) => ({
      ...usual,
      ttl: { ...usual.ttl, AccessToken: () => lifetime.seconds },
    }),
  });
  authorizationServer.provider.on('grant.error', (_, { error, error_detail: detail }) => {
    refusals.push(`${error}: ${detail}`);
  });
  return {
    authorizationServer,
    upstream: await startUpstream(checkTokens(authorizationServer)),
    redis: await startRedis(),
    refusals,
    get lifetimeSeconds() {
      return lifetime.seconds;
    },
    set lifetimeSeconds(seconds) {
      lifetime.seconds = seconds;
    },
  };
}

/** Below this path the API believes every token: what is refused there, a replica has refused. */
export const acceptingPath = '/api/believing';

/** The API: 200 for a living access token, else 401 as RFC 6750 §3.1 has it. */
function checkTokens(authorizationServer: AuthorizationServer): Handler {
  const refusal = respondWith(401, '', { 'www-authenticate': 'Bearer error="invalid_token"' });
  return async (request, response, recorded) => {
    if (recorded.path === acceptingPath) return respondWith(200)(request, response, recorded);
    const token = bearerOf(request.headers);
    // `find` has some seconds of tolerance; an API of its own has none.
    const found = await authorizationServer.provider.AccessToken.find(token);
    return (found?.isValid ? respondWith(200, { sub: found.accountId }) : refusal)(
      request,
      response,
      recorded,
    );
  };
}

/**
 * Makes the newest access token the API has seen invalid before its time. Its refresh token stays
 * good.
 */
export async function revokeNewestToken(backends: Backends): Promise<void> {
  const token = bearerOf(backends.upstream.last.headers);
  const found = await backends.authorizationServer.provider.AccessToken.find(token);
  if (!found) throw new Error('The authorization server does not know the access token.');
  await found.destroy();
}

function bearerOf({ authorization = '' }: IncomingHttpHeaders): string {
  return /^Bearer (.+)$/.exec(authorization)?.[1] ?? '';
}

/** The token requests with a refresh token since `forget`. */
export function refreshes({ authorizationServer }: Backends): readonly RecordedRequest[] {
  return authorizationServer.tokenRequests('refresh_token');
}

/** The different access tokens the API has seen at a path since `forget`. */
export function tokensSeen({ upstream }: Backends, path: string): ReadonlySet<string> {
  const there = upstream.requests.filter((request) => request.path === path);
  return new Set(there.map(({ headers }) => bearerOf(headers)));
}

/** Forgets what was asked so far. */
export function forget({ authorizationServer, upstream, refusals }: Backends): void {
  authorizationServer.requests.length = 0;
  upstream.requests.length = 0;
  refusals.length = 0;
}
