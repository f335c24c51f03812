import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { type AuthorizationServerRoomOptions, scopesOf } from '../authorization-server-options.ts';

/**
 * A scope that every grant has and that no client sees: the library issues nothing without a scope,
 * but routes need none.
 */
export const baseScope = 'pixie-bff';

/** The endpoints of the library where an authorization begins. */
const requestRoutes = new Set(['authorization', 'device_authorization']);

/**
 * Checks and completes a new authorization request. Called by the library after it has checked the
 * redirect URI, so that an error reaches the client. Adds the scopes that a client did not ask for:
 * all of its own if it named none (RFC 6749 §3.3), and always the base scope.
 */
export function completeRequest(
  { oidc: { params, client, route } }: KoaContextWithOIDC,
  options: AuthorizationServerRoomOptions,
): void {
  if (!params || !requestRoutes.has(route)) return;
  refuseOtherChallenge(params['code_challenge']);
  const requested = namesOf(params['scope']);
  const own = namesOf(client?.scope);
  const wanted = requested.length > 0 ? requested : own.length > 0 ? own : scopesOf(options);
  params['scope'] = [...new Set([...wanted, baseScope])].join(' ');
}

/** A challenge is a SHA-256 hash: 32 octets as base64url (RFC 7636 §4.2). */
function refuseOtherChallenge(challenge: unknown): void {
  if (challenge === undefined || (typeof challenge === 'string' && /^[\w-]{43}$/.test(challenge)))
    return;
  throw new errors.InvalidRequest('code_challenge must have 43 characters of base64url');
}

/** Returns the scopes that a client may see. */
export function withoutBaseScope(scope: string | undefined): string[] {
  return namesOf(scope).filter((name) => name !== baseScope);
}

function namesOf(scope: unknown): string[] {
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
}
