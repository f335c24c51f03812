import type { AuthorizationServer } from './authorization-server.ts';

/** The options of the further provider `partner`, for a BFF that is a client of this server. */
export function providerAt({ issuer, clientId, clientSecret }: AuthorizationServer) {
  return { id: 'partner', issuer, clientId, clientSecret };
}
