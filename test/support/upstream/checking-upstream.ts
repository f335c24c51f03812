import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { respondWith } from './responses.ts';
import type { AuthorizationServer } from '../authorization-server/authorization-server.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** An API, and what it read in the tokens it accepted. */
export interface CheckingUpstream extends Upstream {
  readonly accepted: JWTPayload[];
}

/**
 * An API that takes only JWTs of this authorization server for its own audience and with its scope
 * (RFC 9068 §4).
 */
export async function startCheckingUpstream(
  server: AuthorizationServer,
  audience: string,
  scope?: string,
): Promise<CheckingUpstream> {
  const response = await fetch(`${server.issuer}/jwks`);
  const keys = createLocalJWKSet((await response.json()) as never);
  const accepted: JWTPayload[] = [];
  const upstream = await startUpstream(async (request, reply, recorded) => {
    const [, token = ''] = (request.headers.authorization ?? '').split('Bearer ');
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: server.issuer,
        audience,
        typ: 'at+jwt',
        // Tests that move our clock do not move the token's.
        currentDate: new Date(0),
      });
      if (scope && payload['scope'] !== scope)
        return respondWith(403, String(payload['scope']))(request, reply, recorded);
      accepted.push(payload);
      return respondWith(200, 'accepted')(request, reply, recorded);
    } catch (error) {
      const challenge = { 'www-authenticate': 'Bearer error="invalid_token"' };
      return respondWith(401, String(error), challenge)(request, reply, recorded);
    }
  });
  return Object.assign(upstream, { accepted });
}
